"""What does the pool do by itself, and when?

It looks after what is idle. A connection whose lifetime has ended is closed and replaced; one that
nobody has used for `idle_timeout` is closed, while more than `min_size` are open; one that has not
proved alive for `keepalive` seconds must answer `_keepalive`, or it is closed and replaced; and one
that is lent for longer than `leak_after` is worth a warning. Probes
go one at a time, each bounded by `check_timeout`; a connection under probe is leased, so callers
never meet it, and callers are never asked to wait while another connection is idle.

Connections that expire together are replaced a few at a time: no more are on their way out and in
than `max_connecting`. Where a burst may exceed `size`, and connecting works, the replacement comes
first.

One timer per pool, armed for the next thing that is due and for nothing else. It holds the pool
weakly, so that an abandoned pool is collected and the timer finds nothing; and it does not keep
the event loop alive.
"""

from __future__ import annotations

import weakref
from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .borrowing import fit
from .entries import Entry
from .hooks import log, overridden
from .leaks import report

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Upkeep"]


class Upkeep:
    """The periodic work of one pool."""

    __slots__ = (
        "__weakref__",
        "_every",
        "_held_up",
        "_timer",
        "at",
        "core",
        "soonest",
        "worker",
    )

    def __init__(self, core: Core) -> None:
        self.core = core
        self._every = inf  # the keepalive's interval
        self.at = inf  # what the timer is armed for, on the pool's clock
        self.soonest = inf  # no idle connection needs anything sooner than this, but its lifetime
        self._held_up = False  # something is due, and waits for connects or closes to end
        self._timer: Any = None
        self.worker: Any = None  # the greenlet that probes

    def start(self) -> None:
        """Begin with the keepalive, if the pool has one. Does not switch."""
        pool = self.core.pool
        self._reckon()
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
            self._every = float(pool.keepalive)
            self._reckon()

    def _reckon(self) -> None:
        options = self.core.options
        limits = (self._every, options.idle_timeout)
        self.soonest = min(limit for limit in limits if limit is not None)

    def stop(self) -> None:
        """End it; what is under probe is closed. Does not switch."""
        self._every = self.soonest = inf
        self._disarm()
        if self.worker is not None:
            self.worker.kill(block=False)

    def forget(self) -> None:
        """In a forked child: nothing of the parent's goes on here."""
        self.worker = None
        self._every = self.soonest = inf
        self._disarm()

    def run_by_hand(self) -> None:
        """See `ConnectionPool._keepalive_periodic`: probe until this greenlet is killed."""
        core = self.core
        core.ready_here()
        if not core.pool.keepalive:
            raise ValueError(f"keepalive is {core.pool.keepalive!r}: nothing to do")
        begun_here = self._every == inf
        if begun_here:
            self._every = float(core.pool.keepalive)
            core.arrange_lending(core.pool)
            self._reckon()
            self.rearm()
        try:
            while not core.ledger.shut:
                gevent.sleep(float(core.pool.keepalive))
        finally:
            if begun_here:
                self.stop()

    # -- when

    def idles(self, entry: Entry) -> None:
        """An entry became idle: something may be due earlier than the timer knows."""
        due = self._due(entry)
        if due < self.at:
            self._arm(due)

    def lends(self, now: float) -> None:
        """A connection was lent: it may have to be warned about. Does not switch."""
        patience = self.core.options.leak_after
        if patience is not None and now + patience < self.at:
            self._arm(now + patience)

    def rearm(self) -> None:
        """Arm the timer for what is due next, after a change that touches many."""
        self._disarm()
        due = min(map(self._due, self.core.ledger.idle), default=inf)
        patience = self.core.options.leak_after
        if patience is not None:
            lent = [entry.lent_at for entry in self.core.ledger.leased() if not entry.leaked]
            due = min(due, min(lent, default=inf) + patience)
        if due < inf and not self.core.ledger.shut:
            self._arm(due)

    def resume(self) -> None:
        """A connect or a close has ended: go on with what it held up."""
        if self._held_up:
            self._held_up = False
            self.tend()

    def _due(self, entry: Entry) -> float:
        due = min(entry.expires_at, entry.proved_at + self._every)
        patience = self.core.options.idle_timeout
        if patience is not None and len(self.core.ledger.open) > self.core.ledger.min_size:
            due = min(due, entry.idle_since + patience)
        return due

    def _arm(self, due: float) -> None:
        self._disarm()
        self.at = due
        wait = max(clock.SHORTEST, due - clock.monotonic())
        self._timer = gevent.get_hub().loop.timer(wait, ref=False)
        self._timer.start(_tend, weakref.ref(self), update=True)

    def _disarm(self) -> None:
        self.at = inf
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    # -- what

    def tend(self) -> None:
        """Do what is due now. Does not switch."""
        now = clock.monotonic()
        self._end_lifetimes(now)
        self._end_idleness(now)
        self._find_leaks(now)
        if self._to_probe(now) is not None and self.worker is None:
            self.worker = gevent.Greenlet(self._probe_due)
            self.worker.rawlink(self._ended)
            self.worker.start()
        self._disarm()
        if self.worker is None and not self._held_up:
            self.rearm()

    def lose(self, worker: Any) -> None:
        """This greenlet does not end: if it is the one that probes, another takes its place."""
        if worker is self.worker:
            self.worker = None

    def _end_lifetimes(self, now: float) -> None:
        core, ledger = self.core, self.core.ledger
        for entry in [entry for entry in ledger.idle if entry.expires_at <= now]:
            moving = ledger.opening + ledger.closing
            first = ledger.limit > ledger.size and not core.opener.backoff.failures
            if moving >= core.options.max_connecting or (first and moving and not ledger.room):
                self._held_up = True
                return
            if not (first and core.opener.replace(entry)):
                core.retire(entry, entry.ending)

    def _end_idleness(self, now: float) -> None:
        core, ledger = self.core, self.core.ledger
        patience = core.options.idle_timeout
        while patience is not None and len(ledger.open) > ledger.min_size:
            oldest = ledger.oldest
            if oldest is None or oldest.idle_since + patience > now:
                return
            core.retire(oldest, "idle_timeout")

    def _find_leaks(self, now: float) -> None:
        patience = self.core.options.leak_after
        if patience is not None:
            for entry in self.core.ledger.leased():
                if not entry.leaked and entry.lent_at + patience <= now:
                    entry.leaked = True
                    report(self.core, entry, now)

    def _to_probe(self, now: float) -> Entry | None:
        if self._every == inf or not self.core.ledger.idle:
            return None
        entry = min(self.core.ledger.idle, key=lambda entry: entry.proved_at)
        return entry if entry.proved_at + self._every <= now else None

    def _probe_due(self) -> None:
        core, current = self.core, gevent.getcurrent()
        while self.worker is current and (entry := self._to_probe(clock.monotonic())) is not None:
            core.ledger.seize(entry)
            if not fit(core, entry):
                continue
            core.tally.keepalives += 1
            if core.prober.ask(entry, "keepalive", core.pool._keepalive):
                core.put_aside(entry)

    def _ended(self, worker: Any) -> None:
        if worker is self.worker:
            self.worker = None
            self.rearm()


def _tend(reference: weakref.ref[Upkeep]) -> None:
    upkeep = reference()
    if upkeep is not None and not upkeep.core.forked:
        upkeep.tend()
