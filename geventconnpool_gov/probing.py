"""Is a connection alive? Ask it, beside the callers, and for no longer than `check_timeout`.

A connection under probe is leased to a greenlet of the pool, the keepalive's or one of the check's
own: a caller who waits for a check waits no longer than it was told to, and an interrupted caller
interrupts no check. A hook that swallows its interruption and goes on is given up after twice the
limit. Where one did not answer, all others that were proved alive before it are asked at once: no
caller has to find them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .borrowing import fit
from .entries import HANDED, WAITING, Entry, Waiter
from .hooks import brief, log, within
from .waiting import new_waiter, park, wake

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Prober"]


@dataclass(eq=False)
class _Probe:
    """One probe under way, and the caller who waits for it, if anybody does."""

    entry: Entry
    what: str
    waiter: Waiter | None = None
    began: float = 0.0


class Prober:
    """The probes of one pool."""

    __slots__ = ("core", "under_way")

    def __init__(self, core: Core) -> None:
        self.core = core
        self.under_way: dict[Any, _Probe] = {}  # by the greenlet that asks

    def check(self, entry: Entry, remaining: float | None) -> bool | None:
        """Ask a connection that is leased to this caller; None: the caller's time is up first.

        Where it answers in time it is the caller's still. If not, or if the caller is interrupted,
        it is the caller's no more: what answers later goes to somebody else.
        """
        core = self.core
        try:
            waiter = new_waiter()
        except BaseException:
            core.put_aside(entry)
            raise
        self._begin(_Probe(entry, "check", waiter))
        try:
            if remaining is None or remaining > 0:
                park(waiter, remaining)
        except BaseException:
            if waiter.entry is not None:
                core.put_aside(waiter.entry)
            raise
        finally:
            waiter.greenlet = None
        return None if waiter.state is WAITING else waiter.entry is not None

    def _begin(self, probe: _Probe) -> None:
        greenlet = gevent.Greenlet(self._check, probe.entry)
        self.under_way[greenlet] = probe
        greenlet.rawlink(self._ended)  # told even of one that is killed before it starts
        greenlet.start()

    def _check(self, entry: Entry) -> None:
        self.core.tally.checks += 1
        probe = self.under_way[gevent.getcurrent()]
        alive = self.ask(entry, "check", self.core.pool._check, probe.waiter)
        if alive and not _answer(probe.waiter, entry):
            self.core.put_aside(entry)

    def ask(
        self, entry: Entry, what: str, hook: Callable[[Any], Any], waiter: Waiter | None = None
    ) -> bool:
        """Ask a connection that is leased to this greenlet; False: it has been closed.

        A kill closes it too, and passes through.
        """
        core, current = self.core, gevent.getcurrent()
        began = entry.lent_at = clock.monotonic()
        probe = self.under_way[current] = _Probe(entry, what, waiter, began)
        # For a hook that swallows its interruption and waits on, a second limit, without it.
        limit = gevent.get_hub().loop.timer(2 * core.options.check_timeout, ref=False)
        limit.start(self._give_up, current, update=True)
        reason = failure = "interrupted"
        try:
            within(core.options.check_timeout, what, hook, entry.connection)
            reason, entry.lent = "", True
        except (Exception, gevent.Timeout) as raised:
            reason, failure = "check_failed", brief(raised)  # not itself: it holds this frame
        finally:
            limit.stop()
            limit.close()
            given_up = self.under_way.pop(current, None) is None
            if reason and not given_up:
                self._close(probe, reason)
            core.closer.tell_onlookers()
        if reason:
            log.warning("%s: %s of %r failed: %s", core.title, what, entry, failure)
        return not reason

    def stop(self) -> None:
        """Interrupt them; the pool is closed. Does not switch."""
        for greenlet in self.under_way:
            greenlet.kill(block=False)

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        self.under_way.clear()

    def _ended(self, greenlet: Any) -> None:
        probe = self.under_way.pop(greenlet, None)
        if probe is not None:  # killed before it ran
            self._close(probe, "interrupted")
            self.core.closer.tell_onlookers()

    def _give_up(self, greenlet: Any) -> None:
        probe = self.under_way.pop(greenlet, None)
        if probe is not None:
            self.core.upkeep.lose(greenlet)
            self._close(probe, "check_failed")
            log.error(
                "%s: a %s of %r does not end; its place is free",
                self.core.title,
                probe.what,
                probe.entry,
            )

    def _close(self, probe: _Probe, reason: str) -> None:
        """It did not answer: close it, tell who waits, and ask all that were proved before."""
        core, tally = self.core, self.core.tally
        if probe.entry.fate is None:
            core.retire(probe.entry, reason)
        else:
            core.give_back(probe.entry)
        _answer(probe.waiter, None)
        if reason == "check_failed":
            if probe.what == "check":
                tally.check_failures += 1
            else:
                tally.keepalive_failures += 1
            self._look_at_others(probe.began)

    def _look_at_others(self, since: float) -> None:
        core = self.core
        for entry in list(core.ledger.idle):
            if entry.proved_at <= since:
                core.ledger.seize(entry)
                if fit(core, entry):
                    self._begin(_Probe(entry, "check"))


def _answer(waiter: Waiter | None, entry: Entry | None) -> bool:
    """Hand the outcome to the caller who waits for it, if anybody does. Does not switch."""
    if waiter is None or waiter.greenlet is None or waiter.expired or waiter.state is not WAITING:
        return False
    waiter.state, waiter.entry = HANDED, entry
    wake((waiter,))
    return True
