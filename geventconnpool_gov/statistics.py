"""What has the pool done so far, in figures that add up?

Always, at every moment: `opened - sum(closed.values()) == open` and `open == idle + in_use`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from .histograms import Histogram, Recorder
from .hooks import brief

if TYPE_CHECKING:
    from .core import Core

__all__ = ["REASONS", "Histogram", "PoolStats", "Tally", "listen", "snapshot"]

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


TIMES = ("wait", "use", "connect")  # the histograms


@dataclass(frozen=True)
class PoolStats:
    """The state of a pool at one moment, and its counts since it was made. Times are seconds."""

    name: str | None
    size: int  #: the most connections that may be open, but for a burst
    min_size: int  #: kept open when idle
    burst_limit: int  #: the most connections that may be open under load
    open: int  #: connections open: idle or in use
    idle: int  #: of these, waiting for a caller
    in_use: int  #: of these, held by somebody
    opening: int  #: connects under way
    closing: int  #: closes under way; each keeps its place until it has ended
    waiting: int  #: callers in the queue
    requests: int  #: calls that asked for a connection
    requests_waited: int  #: of these, how many had to queue
    requests_timed_out: int  #: ended in `PoolTimeout`
    requests_rejected: int  #: ended in `TooManyRequests`
    requests_cancelled: int  #: interrupted while they waited
    requests_refused: int  #: ended in `PoolConnectError` or `PoolClosed`
    opened: int  #: connects that succeeded
    connect_errors: int  #: connects that failed
    last_connect_error: str | None  #: the newest of these
    closed: Mapping[str, int]  #: connections closed, by reason
    checks: int  #: checks before lending
    check_failures: int  #: of these, without an answer
    keepalives: int  #: keepalive probes sent
    keepalive_failures: int  #: of these, without an answer
    leaks: int  #: leases that lasted longer than `leak_after`
    wait: Histogram  #: of the calls that got a connection: how long it took
    use: Histogram  #: of the leases that have ended: how long they lasted
    connect: Histogram  #: of the connects that succeeded: how long they took

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, for a log line or JSON; see `Histogram.as_dict`."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["closed"] = dict(self.closed)
        for name in TIMES:
            values[name] = values[name].as_dict()
        return values


@dataclass
class Tally:
    """The counters behind `PoolStats`, but for what `metering` counts."""

    requests: int = 0
    at_once: int = 0
    waited: int = 0
    timed_out: int = 0
    rejected: int = 0
    cancelled: int = 0
    refused: int = 0
    opened: int = 0
    connect_errors: int = 0
    checks: int = 0
    check_failures: int = 0
    keepalives: int = 0
    keepalive_failures: int = 0
    leaks: int = 0
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    wait: Recorder = field(default_factory=Recorder)
    use: Recorder = field(default_factory=Recorder)
    connect: Recorder = field(default_factory=Recorder)
    told: bool = False  # somebody listens; see `listen`

    def anew(self) -> Tally:
        """Zeros, told to the same listeners."""
        fresh = Tally(told=self.told)
        for name in TIMES:
            getattr(fresh, name).listener = getattr(self, name).listener
        return fresh


def listen(core: Core, **listeners: Callable[[float], object]) -> None:
    """Have each duration told to the listener of that name, in seconds, when it is known.

    While anybody listens, each lease goes the long way, where the clock is read. A listener must
    not raise.
    """
    for name, listener in listeners.items():
        getattr(core.tally, name).listener = listener
    core.tally.told = True
    core.meter.turn()
    core.arrange_lending(core.pool)


def snapshot(core: Core) -> PoolStats:
    """The figures of one pool, now."""
    ledger, tally, last = core.ledger, core.tally, core.opener.backoff.last_error
    quick = core.meter.quick
    return PoolStats(
        name=core.options.name,
        size=ledger.size,
        min_size=ledger.min_size,
        burst_limit=ledger.limit,
        open=len(ledger.open),
        idle=len(ledger.idle),
        in_use=ledger.in_use,
        opening=ledger.opening,
        closing=ledger.closing,
        waiting=ledger.waiting,
        requests=tally.requests + quick,
        requests_waited=tally.waited,
        requests_timed_out=tally.timed_out,
        requests_rejected=tally.rejected,
        requests_cancelled=tally.cancelled,
        requests_refused=tally.refused,
        opened=tally.opened,
        connect_errors=tally.connect_errors,
        last_connect_error=None if last is None else brief(last),
        closed=dict(tally.closed),
        checks=tally.checks,
        check_failures=tally.check_failures,
        keepalives=tally.keepalives,
        keepalive_failures=tally.keepalive_failures,
        leaks=tally.leaks,
        wait=tally.wait.snapshot(at_once=tally.at_once + quick),
        use=tally.use.snapshot(at_once=core.pool._lending_brief),
        connect=tally.connect.snapshot(),
    )
