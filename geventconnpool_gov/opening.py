"""When is a connection opened, and what if that fails?

Connects run in greenlets of their own, beside the callers (see `attempts`): nobody waits for a
connect longer than for the first connection that becomes free, and an interrupted caller interrupts
no connect. At most `max_connecting` run at a time.

After a failure the next attempt waits (see `backoff`), one attempt at a time until one succeeds. At
start-up the first connections come `SPAWN_FREQUENCY` apart, unless a caller waits.
"""

from __future__ import annotations

import contextlib
import weakref
from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .attempts import Attempts
from .backoff import Backoff
from .entries import Entry
from .errors import PoolConnectError, SharedConnectionError
from .hooks import brief, log

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Opener"]


class Opener:
    """Opens the connections of one pool."""

    __slots__ = (
        "__weakref__",
        "_next_start",
        "_timer",
        "_to_go",
        "_warming",
        "attempts",
        "backoff",
        "core",
    )

    def __init__(self, core: Core) -> None:
        self.core = core
        self.attempts = Attempts(core)
        self.backoff = Backoff()
        self._timer: Any = None
        self._to_go: list[Entry] = []  # connections that stay until another takes their place
        self._warming = False
        self._next_start = 0.0

    def warm_up(self) -> None:
        """Begin to fill the pool, at the start-up pace."""
        self._warming = True
        self.pump()

    def pump(self) -> None:
        """Begin as many attempts as are wanted and allowed now; the rest when it is time.

        Called after every change of the account that may want another connection. Never switches.
        """
        core, ledger = self.core, self.core.ledger
        self._disarm()
        if ledger.room <= 0:
            return
        while ledger.wanted > 0 and not core.forked:
            failing = self.backoff.failures > 0
            if len(self.attempts.running) >= (1 if failing else core.options.max_connecting):
                return  # the end of an attempt comes back here
            now = clock.monotonic()
            due = self.backoff.due(somebody_waits=ledger.waiting > 0)
            if self._warming and ledger.waiting <= ledger.opening:
                due = max(due, self._next_start)
            if due > now:
                self._arm(due - now)
                return
            self._next_start = now + core.pool.SPAWN_FREQUENCY
            self.attempts.begin()

    def stop(self) -> None:
        """Interrupt what is under way; the pool is closed. Does not switch."""
        self._disarm()
        self.attempts.stop()

    def forget(self) -> None:
        """In a forked child: the parent's attempts are not ours."""
        self._disarm()
        self.attempts.forget()
        self._to_go.clear()
        self.core.ledger.owed = 0
        self.backoff = Backoff()

    def replace(self, entry: Entry) -> bool:
        """Order a connection that is to take this one's place; False: there is no room for both."""
        ledger = self.core.ledger
        if entry not in self._to_go:
            if ledger.room <= 0:
                return False
            self._to_go.append(entry)
            ledger.owed += 1
        entry.expires_at = inf  # until `replaced`
        self.pump()
        return True

    def replaced(self) -> None:
        """A connection was opened: the one whose place it takes goes."""
        if self._to_go:
            self.core.ledger.owed -= 1
            self._see_off(self._to_go.pop(0))

    def gone(self, entry: Entry) -> None:
        """A connection is out of service: if another was to take its place, none is any more."""
        if entry in self._to_go:
            self._to_go.remove(entry)
            self.core.ledger.owed -= 1

    def _see_off(self, entry: Entry) -> None:
        entry.expires_at, entry.simple = -inf, False  # where it is lent: when it comes back
        if entry.fate is None and entry in self.core.ledger.idle:
            self.core.retire(entry, entry.ending)

    def add_one(self) -> None:
        """See `ConnectionPool._addOne`: open one more in this very greenlet."""
        attempts = self.attempts
        if gevent.getcurrent() in attempts.reserved:
            attempts.attempt()  # one of the pool's own; the pool decides about the next
            return
        core, ledger = self.core, self.core.ledger
        core.ready_here()
        if ledger.room <= 0:
            core.by_hand.abandon_one()
        while ledger.room > 0 and not ledger.shut:
            attempts.reserve(gevent.getcurrent())
            succeeded = attempts.attempt()
            core.upkeep.resume()
            if succeeded:
                break
            due = self.backoff.due(somebody_waits=ledger.waiting > 0)
            gevent.sleep(max(clock.SHORTEST, due - clock.monotonic()))
        if core.manual and ledger.min_size < ledger.size:
            ledger.min_size += 1  # from now on, not before: killing this greenlet ends the attempt

    # -- what came of an attempt

    def succeeded(self) -> int:
        """An attempt brought a connection; how many failures that ends."""
        if len(self.core.ledger.open) >= self.core.ledger.min_size:
            self._warming = False
        return self.backoff.succeeded()

    def failed(self, error: BaseException) -> None:
        """An attempt failed, and its unit is free. May switch, in a handler of the log."""
        core = self.core
        core.tally.connect_errors += 1
        refusals = (*core.options.fatal_exc_classes, SharedConnectionError)
        refused = isinstance(error, refusals)
        delay = self.backoff.failed(error, clock.monotonic(), refused=refused)
        # A limit holds though its replacement failed.
        to_go, self._to_go, core.ledger.owed = self._to_go, [], 0
        for entry in to_go:
            self._see_off(entry)
        if refused:
            core.tell(core.ledger.dismiss(), lambda: self._refusal(error))
            core.readiness.tell(lambda: self._refusal(error))
        failures = self.backoff.failures
        self.pump()
        log.warning(
            "%s: connecting failed (%d in a row), next attempt in %.2f s: %s",
            core.title,
            failures,
            delay,
            brief(error),
        )

    def ended(self, *, in_vain: bool) -> None:
        """The greenlet of an attempt has ended, with or without an outcome. Does not switch."""
        if in_vain:
            self.backoff.failed(None, clock.monotonic())
        self.pump()
        self.core.upkeep.resume()

    def raise_if_hopeless(self) -> None:
        """Tell a new caller at once what waiting would not mend.

        Raises:
            PoolConnectError: the last connect was refused, the next is not due, nothing is open.
        """
        ledger, fatal = self.core.ledger, self.backoff.fatal
        if fatal is None or ledger.open or ledger.opening:
            return
        if clock.monotonic() < self.backoff.due(somebody_waits=True):
            raise self._refusal(fatal)

    def _refusal(self, error: BaseException) -> PoolConnectError:
        """What one waiting caller is told: an error of its own, with the refusal as the cause."""
        refusal: PoolConnectError | None = None
        if isinstance(error, PoolConnectError):
            with contextlib.suppress(Exception):
                refusal = type(error)(*error.args)
        if refusal is None:
            refusal = PoolConnectError(f"{self.core.title}: connecting was refused: {brief(error)}")
        refusal.__cause__ = error
        return refusal

    # -- time

    def _arm(self, seconds: float) -> None:
        self._timer = gevent.get_hub().loop.timer(max(clock.SHORTEST, seconds))
        self._timer.start(_pump_again, weakref.ref(self), update=True)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def _pump_again(reference: weakref.ref[Opener]) -> None:
    opener = reference()
    if opener is not None and not opener.core.forked:
        opener.pump()
