"""What has the pool done so far, in figures that add up?

Always, at every moment: `opened - sum(closed.values()) == open` and `open == idle + in_use`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .hooks import brief

if TYPE_CHECKING:
    from .core import Core

__all__ = ["REASONS", "PoolStats", "Tally", "snapshot"]

#: Why a connection was closed, as `PoolStats.closed` counts it.
REASONS = (
    "broken",  # a lease ended in one of `exc_classes`, or with the socket closed
    "interrupted",  # a lease ended in a kill, a `gevent.Timeout` or the like
    "discarded",  # `discard`, or taken away by a subclass
    "peer_closed",  # found closed, or with unread data, while it was idle
    "check_failed",  # did not answer its keepalive, or the check before it was to be lent
    "reset_failed",  # `_reset` raised
    "idle_timeout",  # not used for `idle_timeout`, and more than `min_size` open
    "max_lifetime",  # as old as `max_lifetime` lets it become
    "burst",  # one of more than `size`, and nobody waited
    "drained",  # replaced by `drain`, or surplus after `resize`
    "shutdown",  # the pool was closed
)


@dataclass(frozen=True)
class PoolStats:
    """The state of a pool at one moment, and its counts since it was made."""

    name: str | None
    size: int  #: the most connections that may be open, but for a burst
    min_size: int  #: kept open when idle
    burst_limit: int  #: the most connections that may be open under load
    open: int  #: connections open: idle or in use
    idle: int  #: of these, waiting for a caller
    in_use: int  #: of these, held by somebody
    opening: int  #: connects under way
    waiting: int  #: callers in the queue
    requests: int  #: calls that asked for a connection
    requests_waited: int  #: of these, how many had to queue
    requests_timed_out: int  #: ended in `PoolTimeout`
    requests_rejected: int  #: ended in `TooManyRequests`
    requests_cancelled: int  #: interrupted while they waited
    opened: int  #: connects that succeeded
    connect_errors: int  #: connects that failed
    last_connect_error: str | None  #: the newest of these
    closed: Mapping[str, int]  #: connections closed, by reason
    checks: int  #: checks before lending
    check_failures: int  #: of these, without an answer
    keepalives: int  #: keepalive probes sent
    keepalive_failures: int  #: of these, without an answer

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, for a log line or JSON."""
        return asdict(self)


@dataclass
class Tally:
    """The counters behind `PoolStats`; the core counts requests itself, on its fast path."""

    waited: int = 0
    timed_out: int = 0
    rejected: int = 0
    cancelled: int = 0
    opened: int = 0
    connect_errors: int = 0
    checks: int = 0
    check_failures: int = 0
    keepalives: int = 0
    keepalive_failures: int = 0
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))


def snapshot(core: Core) -> PoolStats:
    """The figures of one pool, now."""
    ledger, tally, last = core.ledger, core.tally, core.opener.backoff.last_error
    return PoolStats(
        name=core.options.name,
        size=ledger.size,
        min_size=ledger.min_size,
        burst_limit=ledger.limit,
        open=len(ledger.open),
        idle=len(ledger.idle),
        in_use=ledger.in_use,
        opening=ledger.opening,
        waiting=ledger.waiting,
        requests=core.requests + core.pool._lending_count,
        requests_waited=tally.waited,
        requests_timed_out=tally.timed_out,
        requests_rejected=tally.rejected,
        requests_cancelled=tally.cancelled,
        opened=tally.opened,
        connect_errors=tally.connect_errors,
        last_connect_error=None if last is None else brief(last),
        closed=dict(tally.closed),
        checks=tally.checks,
        check_failures=tally.check_failures,
        keepalives=tally.keepalives,
        keepalive_failures=tally.keepalive_failures,
    )
