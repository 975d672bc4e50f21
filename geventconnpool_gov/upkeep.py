"""What does the pool do by itself, and when?

The keepalive: a connection that has been idle for `keepalive` seconds must answer `_keepalive`, or
it is closed and replaced. One at a time, the longest idle first, each probe bounded by
`check_timeout`; a connection under probe is leased, so callers never meet it, and callers are
never asked to wait while another connection is idle.

One timer per pool. It holds the pool weakly, so that an abandoned pool is collected and the timer
finds nothing; and it does not keep the event loop alive.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .hooks import brief, log, overridden, within
from .ledger import Entry

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Upkeep"]


class Upkeep:
    """The periodic work of one pool."""

    __slots__ = ("__weakref__", "_every", "_timer", "core", "worker")

    def __init__(self, core: Core) -> None:
        self.core = core
        self._every = 0.0
        self._timer: Any = None
        self.worker: Any = None  # the greenlet that probes

    def start(self) -> None:
        """Begin, if the pool has a keepalive. Does not switch."""
        pool = self.core.pool
        if not pool.keepalive:
            return
        if overridden(pool, "_keepalive_periodic"):
            self.worker = gevent.spawn(pool._keepalive_periodic)
        elif not overridden(pool, "_keepalive"):
            log.warning(
                "%s: keepalive is %s, but the class has no _keepalive; nothing is probed",
                self.core.title,
                pool.keepalive,
            )
        else:
            self.every(float(pool.keepalive))

    def every(self, seconds: float) -> None:
        """Probe each connection that idles this long."""
        self._every = seconds
        self._arm()

    def stop(self) -> None:
        """End it; what is under probe is closed. Does not switch."""
        self._every = 0.0
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        if self.worker is not None:
            self.worker.kill(block=False)

    def forget(self) -> None:
        """In a forked child: nothing of the parent's goes on here."""
        self.worker = None
        self._every = 0.0
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def run_by_hand(self) -> None:
        """See `ConnectionPool._keepalive_periodic`: probe until this greenlet is killed."""
        self.core.ready_here()
        if not self.core.pool.keepalive:
            raise ValueError(f"keepalive is {self.core.pool.keepalive!r}: nothing to do")
        begun_here = not self._every
        if begun_here:
            self.every(float(self.core.pool.keepalive))
        try:
            while not self.core.ledger.shut:
                gevent.sleep(float(self.core.pool.keepalive))
        finally:
            if begun_here:
                self.stop()

    def _arm(self) -> None:
        if not self._every or self.core.ledger.shut:
            return
        idle = self.core.ledger.idle
        wait = self._every
        if idle:
            wait = max(0.0, idle[0].idle_since + self._every - clock.monotonic())
        if self._timer is not None:
            self._timer.close()
        self._timer = gevent.get_hub().loop.timer(wait, ref=False)
        self._timer.start(_due, weakref.ref(self), update=True)

    def begin(self) -> None:
        """It is time: probe what is due, in a greenlet. Does not switch."""
        self.worker = gevent.Greenlet(self._probe_due)
        self.worker.rawlink(self._ended)
        self.worker.start()

    def _ended(self, worker: Any) -> None:
        if worker is self.worker:
            self.worker = None
            self._arm()

    def _probe_due(self) -> None:
        ledger = self.core.ledger
        while ledger.idle and self._every:
            if ledger.idle[0].idle_since + self._every > clock.monotonic():
                return
            entry = ledger.take()
            assert entry is not None
            self._probe(entry)

    def _probe(self, entry: Entry) -> None:
        core, tally = self.core, self.core.tally
        guard = entry.guard
        if guard is not None:
            guard.disarm()
            if not guard.alive():
                core.retire(entry, "peer_closed")
                return
        tally.keepalives += 1
        reason = "interrupted"
        try:
            within(core.options.check_timeout, "keepalive", core.pool._keepalive, entry.connection)
            entry.lent = True
            reason = ""
        except (Exception, gevent.Timeout) as error:
            tally.keepalive_failures += 1
            reason = "check_failed"
            log.warning("%s: keepalive of %r failed: %s", core.title, entry, brief(error))
        finally:
            if reason and entry.fate is None:
                core.retire(entry, reason)
            else:
                core.give_back(entry)


def _due(reference: weakref.ref[Upkeep]) -> None:
    upkeep = reference()
    if upkeep is not None and not upkeep.core.forked:
        upkeep.begin()
