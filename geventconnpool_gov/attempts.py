"""How does one connect run, from the unit that it holds to the connection in the account?

In a greenlet of its own, or in one in which a subclass calls `_addOne`. The greenlet holds a unit
of the account until it brings a connection, fails or ends. Each attempt is bounded by
`connect_timeout`; one that swallows its interruption and goes on is given up after twice that, and
what it brings late is closed.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .entries import Entry
from .errors import PoolConnectError, SharedConnectionError
from .hooks import SwallowedTimeoutError, brief, log, overridden, within

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Attempts"]


class Attempts:
    """The connects of one pool that are under way."""

    __slots__ = ("__weakref__", "_limits", "core", "reserved", "running")

    def __init__(self, core: Core) -> None:
        self.core = core
        self.running: dict[Any, None] = {}  # the pool's own greenlets that connect, in order
        self.reserved: set[Any] = set()  # greenlets, its own or not, that hold a unit
        self._limits: dict[Any, Any] = {}  # greenlet: the timer after which it is given up

    def begin(self) -> None:
        """Connect beside the callers. Does not switch."""
        greenlet = gevent.Greenlet(self._run)
        self.reserve(greenlet)
        self.running[greenlet] = None
        greenlet.rawlink(self._ended)  # told even of one that is killed before it starts
        greenlet.start()
        limit = self.core.options.connect_timeout
        if limit is not None and not overridden(self.core.pool, "_addOne"):
            # For a hook that swallows its interruption and waits on, a second limit, without it.
            timer = self._limits[greenlet] = gevent.get_hub().loop.timer(2 * limit, ref=False)
            timer.start(_give_up, weakref.ref(self), weakref.ref(greenlet), update=True)

    def stop(self) -> None:
        """Interrupt them; the pool is closed. Does not switch."""
        for greenlet in self.running:
            greenlet.kill(block=False)

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        self.running.clear()
        self.reserved.clear()
        for greenlet in list(self._limits):
            self._drop_limit(greenlet)

    def reserve(self, greenlet: Any) -> None:
        """Have this greenlet hold a unit."""
        self.core.ledger.begin_opening()
        self.reserved.add(greenlet)

    def release(self, greenlet: Any) -> bool:
        """Free the unit that this greenlet holds; whether it held one."""
        if greenlet not in self.reserved:
            return False
        self.reserved.discard(greenlet)
        self.core.ledger.opening_failed()
        return True

    def attempt(self) -> bool:
        """Try once, on the unit that this greenlet holds; whether it brought a connection."""
        core = self.core
        began = clock.monotonic()
        try:
            connection = self._connect()
            if connection is None or connection is False:
                raise PoolConnectError("_new_connection returned no connection")
            self._adopt(connection)
            core.tally.connect.add(clock.monotonic() - began)
        except BaseException as error:
            self._failed(error)
            if not isinstance(error, (Exception, gevent.Timeout)):
                raise  # a kill, SystemExit: the greenlet ends, the unit is free
            return False
        return True

    def _connect(self) -> Any:
        """Call the hook for a connection; what it brings after its time is up is closed."""
        core = self.core
        try:
            return within(core.options.connect_timeout, "connecting", core.pool._new_connection)
        except SwallowedTimeoutError as error:
            late, error.result = error.result, None  # the error is kept for the figures
            if late is not None and core.ledger.find(late) is None:
                core.closer.begin_unaccounted(Entry(late))
            raise

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
            self.reserve(current)
        try:
            return self._adopt(connection)
        finally:
            self.release(current)

    def _run(self) -> None:
        if not overridden(self.core.pool, "_addOne"):
            self.attempt()
            return
        try:
            self.core.pool._addOne()
        except (Exception, gevent.Timeout) as error:
            if gevent.getcurrent() in self.reserved:
                self._failed(error)
            else:
                log.warning("%s: _addOne raised: %s", self.core.title, brief(error))

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
        failures = core.opener.succeeded()
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
        if self.release(gevent.getcurrent()) and not self.core.ledger.shut:
            self.core.opener.failed(error)

    def _ended(self, greenlet: Any) -> None:
        if greenlet not in self.running:
            return  # of a process that this one was forked from
        del self.running[greenlet]
        self._drop_limit(greenlet)
        # One that holds its unit still was killed before it ran, or its `_addOne` added nothing.
        self.core.opener.ended(in_vain=self.release(greenlet))

    def _give_up(self, greenlet: Any) -> None:
        if greenlet in self.running:
            self.core.tally.connect_errors += 1
            self.core.opener.backoff.last_error = TimeoutError("a connect does not end")
            self._ended(greenlet)
            log.error("%s: a connect does not end; its place is free", self.core.title)

    def _drop_limit(self, greenlet: Any) -> None:
        timer = self._limits.pop(greenlet, None)
        if timer is not None:
            timer.stop()
            timer.close()


def _give_up(reference: weakref.ref[Attempts], greenlet: weakref.ref[Any]) -> None:
    attempts, attempt = reference(), greenlet()
    if attempts is not None and attempt is not None:
        attempts._give_up(attempt)
