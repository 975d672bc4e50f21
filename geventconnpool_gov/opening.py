"""When is a connection opened, by whom, and what if that fails?

Connects run in greenlets of their own, beside the callers: nobody waits for a connect longer than
for the first connection that becomes free, and an interrupted caller interrupts no connect. At
most `max_connecting` run at a time, each bounded by `connect_timeout`.

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
from .backoff import Backoff
from .entries import Entry
from .errors import PoolConnectError, SharedConnectionError
from .hooks import brief, log, overridden, within

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Opener"]


class Opener:
    """Opens the connections of one pool."""

    __slots__ = (
        "__weakref__",
        "_limits",
        "_next_start",
        "_timer",
        "_to_go",
        "_warming",
        "attempts",
        "backoff",
        "core",
        "reserved",
    )

    def __init__(self, core: Core) -> None:
        self.core = core
        self.attempts: set[Any] = set()  # the greenlets that connect
        self.backoff = Backoff()
        self.reserved: set[Any] = set()  # greenlets that hold a unit of the account
        self._timer: Any = None
        self._limits: dict[Any, Any] = {}  # greenlet: the timer after which it is given up
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
        while ledger.wanted > 0 and not core.forked:
            failing = self.backoff.failures > 0
            if len(self.attempts) >= (1 if failing else core.options.max_connecting):
                return  # the end of an attempt comes back here
            now = clock.monotonic()
            due = self.backoff.due(somebody_waits=ledger.waiting > 0)
            if self._warming and ledger.waiting <= ledger.opening:
                due = max(due, self._next_start)
            if due > now:
                self._arm(due - now)
                return
            self._next_start = now + core.pool.SPAWN_FREQUENCY
            self._begin()

    def stop(self) -> None:
        """Interrupt what is under way; the pool is closed. Does not switch."""
        self._disarm()
        for greenlet in self.attempts:
            greenlet.kill(block=False)

    def forget(self) -> None:
        """In a forked child: the parent's attempts are not ours."""
        self._disarm()
        self.attempts.clear()
        for greenlet in list(self._limits):
            self._drop_limit(greenlet)
        self.reserved.clear()
        self._to_go.clear()
        self.core.ledger.owed = 0
        self.backoff = Backoff()

    def replace(self, entry: Entry) -> bool:
        """Order a connection that is to take this one's place; False: there is no room for both."""
        ledger = self.core.ledger
        if ledger.room <= 0:
            return False
        entry.expires_at = inf  # until `replaced`
        self._to_go.append(entry)
        ledger.owed += 1
        self.pump()
        return True

    def replaced(self) -> None:
        """A connection was opened: the one whose place it takes goes."""
        if self._to_go:
            self.core.ledger.owed -= 1
            self._see_off(self._to_go.pop(0))

    def _see_off(self, entry: Entry) -> None:
        entry.expires_at, entry.simple = -inf, False  # where it is lent: when it comes back
        if entry.fate is None and entry in self.core.ledger.idle:
            self.core.retire(entry, entry.ending)

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

    def add_one(self) -> None:
        """See `ConnectionPool._addOne`: open one more in this very greenlet."""
        if gevent.getcurrent() in self.reserved:
            self._attempt()  # one of the pool's own; the pool decides about the next
            return
        core, ledger = self.core, self.core.ledger
        core.ready_here()
        if ledger.room <= 0:
            core.by_hand.abandon_one()
        while ledger.room > 0 and not ledger.shut:
            self._reserve(gevent.getcurrent())
            succeeded = self._attempt()
            core.upkeep.resume()
            if succeeded:
                break
            due = self.backoff.due(somebody_waits=ledger.waiting > 0)
            gevent.sleep(max(0.0, due - clock.monotonic()))
        if core.manual and ledger.min_size < ledger.size:
            ledger.min_size += 1  # from now on, not before: killing this greenlet ends the attempt

    def adopt_by_hand(self, connection: Any) -> Entry:
        """Take a connection that a subclass opened itself into the account.

        Raises:
            SharedConnectionError: the pool has this very object already.
            ValueError: there is no room for it.
        """
        current = gevent.getcurrent()
        if current not in self.reserved:
            if self.core.ledger.room <= 0:
                raise ValueError(f"no room for another connection: {self.core.figures()}")
            self._reserve(current)
        try:
            return self._adopt(connection)
        finally:
            self._release(current)

    # -- one attempt

    def _begin(self) -> None:
        greenlet = gevent.Greenlet(self._run)
        self._reserve(greenlet)
        self.attempts.add(greenlet)
        greenlet.rawlink(self._ended)  # told even of one that is killed before it starts
        greenlet.start()
        limit = self.core.options.connect_timeout
        if limit is not None and not overridden(self.core.pool, "_addOne"):
            # For a hook that swallows its interruption and waits on, a second limit, without it.
            timer = self._limits[greenlet] = gevent.get_hub().loop.timer(2 * limit, ref=False)
            timer.start(_give_up, weakref.ref(self), weakref.ref(greenlet), update=True)

    def _run(self) -> None:
        if not overridden(self.core.pool, "_addOne"):
            self._attempt()
            return
        try:
            self.core.pool._addOne()
        except (Exception, gevent.Timeout) as error:
            if gevent.getcurrent() in self.reserved:
                self._failed(error)
            else:
                log.warning("%s: _addOne raised: %s", self.core.title, brief(error))

    def _attempt(self) -> bool:
        """Try once, on the unit that this greenlet holds; whether it brought a connection."""
        core = self.core
        limit = core.options.connect_timeout
        began = clock.monotonic()
        try:
            connection = within(limit, "connecting", core.pool._new_connection)
            if connection is None or connection is False:
                raise PoolConnectError("_new_connection returned no connection")
            self._adopt(connection)
            core.tally.connect.add(clock.monotonic() - began)
        except BaseException as error:
            late = getattr(error, "result", None) if isinstance(error, TimeoutError) else None
            if late is not None and core.ledger.find(late) is None:
                core.closer.begin_unaccounted(Entry(late))
            self._failed(error)
            if not isinstance(error, (Exception, gevent.Timeout)):
                raise  # a kill, SystemExit: the greenlet ends, the unit is free
            return False
        return True

    def _adopt(self, connection: Any) -> Entry:
        core, current = self.core, gevent.getcurrent()
        self._check_new(connection)
        try:
            limit = core.options.connect_timeout
            entry: Entry = within(limit, "finding the socket", core.new_entry, connection)
            self._check_new(connection)  # the hook may have switched
            if current not in self.reserved:
                raise PoolConnectError("the connect took too long, and was given up")
        except SharedConnectionError:
            raise
        except BaseException:
            core.closer.begin_unaccounted(Entry(connection))
            raise
        core.ledger.opened(entry)
        self.reserved.discard(current)
        core.tally.opened += 1
        if len(core.ledger.open) >= core.ledger.min_size:
            self._warming = False
        failures = self.backoff.succeeded()
        core.welcome(entry)
        log.debug("%s: opened %r", core.title, entry)  # a handler may switch
        if failures:
            log.info("%s: connecting works again after %d failures", core.title, failures)
        return entry

    def _check_new(self, connection: Any) -> None:
        if self.core.ledger.find(connection) or self.core.closer.is_closing(connection):
            raise SharedConnectionError(
                f"_new_connection returned an object that the pool has already "
                f"(a {type(connection).__name__}); it must open a new one each time"
            )

    def _failed(self, error: BaseException) -> None:
        core = self.core
        if not self._release(gevent.getcurrent()) or core.ledger.shut:
            return
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

    def _ended(self, greenlet: Any) -> None:
        if greenlet not in self.attempts:
            return  # of a process that this one was forked from
        self.attempts.discard(greenlet)
        self._drop_limit(greenlet)
        if self._release(greenlet):
            # Killed before it ran, or an `_addOne` that added nothing.
            self.backoff.failed(None, clock.monotonic())
        self.pump()
        self.core.upkeep.resume()

    def give_up(self, greenlet: Any) -> None:
        """An attempt does not end though it was interrupted: go on without it."""
        if greenlet in self.attempts:
            self.core.tally.connect_errors += 1
            self._ended(greenlet)
            log.error("%s: a connect does not end; its place is free", self.core.title)

    def _drop_limit(self, greenlet: Any) -> None:
        timer = self._limits.pop(greenlet, None)
        if timer is not None:
            timer.stop()
            timer.close()

    # -- units and time

    def _reserve(self, greenlet: Any) -> None:
        self.core.ledger.begin_opening()
        self.reserved.add(greenlet)

    def _release(self, greenlet: Any) -> bool:
        if greenlet not in self.reserved:
            return False
        self.reserved.discard(greenlet)
        self.core.ledger.opening_failed()
        return True

    def _arm(self, seconds: float) -> None:
        # libuv counts milliseconds, and warns of less.
        self._timer = gevent.get_hub().loop.timer(max(0.001, seconds))
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


def _give_up(reference: weakref.ref[Opener], greenlet: weakref.ref[Any]) -> None:
    opener, attempt = reference(), greenlet()
    if opener is not None and attempt is not None:
        opener.give_up(attempt)
