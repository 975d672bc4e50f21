"""How does a connection that is out of service get closed, and the whole pool?

Each close runs in a greenlet of its own: nobody waits for a peer that no longer answers. It is
bounded, and whatever it raises, the socket below is closed in the end.
"""

from __future__ import annotations

import contextlib
import sys
from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .entries import HANDED, INHERITED, Entry, Waiter
from .errors import PoolClosed
from .forking import let_go
from .hooks import GONE, Hooks, brief, log, overridden, within
from .waiting import new_waiter, park, wake

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Closer"]


class Closer:
    """Closes the connections of one pool, and in the end the pool."""

    __slots__ = (
        "_deadline",
        "_deadline_at",
        "_finished",
        "_limits",
        "_onlookers",
        "core",
        "under_way",
    )

    def __init__(self, core: Core) -> None:
        self.core = core
        self.under_way: dict[Any, Entry] = {}  # greenlet: what it closes
        self._limits: dict[Any, Any] = {}  # greenlet: the timer after which it is given up
        self._deadline_at = inf  # on the pool's clock
        self._onlookers: list[Waiter] = []  # callers of close() who wait for its end
        self._deadline: Any = None  # the timer that ends the leases
        self._finished = False  # the pool is shut, and nothing of it is open any more

    def begin(self, entry: Entry) -> None:
        """Close a connection that `ledger.retire` took out of service. Does not switch."""
        greenlet = gevent.Greenlet(_close, self.core, self.core.pool, entry)
        self.under_way[greenlet] = entry
        greenlet.rawlink(self._ended)  # told even of one that is killed before it starts
        greenlet.start()
        # For a hook that swallows its interruption and waits on, a second limit, without it.
        limit = 2 * self.core.options.check_timeout
        timer = self._limits[greenlet] = gevent.get_hub().loop.timer(limit, ref=False)
        timer.start(self._give_up, greenlet, update=True)

    def begin_unaccounted(self, entry: Entry) -> None:
        """Close a connection that is in nobody's account any more."""
        gevent.spawn(_close, self.core, self.core.pool, entry)

    def is_closing(self, connection: Any) -> bool:
        """Whether a close of this very object is under way."""
        return any(entry.connection is connection for entry in self.under_way.values())

    def forget(self) -> None:
        """In a forked child: the parent closes what it closes."""
        self.under_way.clear()
        for timer in self._limits.values():
            timer.close()
        self._limits.clear()
        self.tell_onlookers()
        self._disarm()

    def _ended(self, greenlet: Any) -> None:
        entry = self.under_way.pop(greenlet, None)
        if entry is None:
            return
        timer = self._limits.pop(greenlet)
        timer.stop()
        timer.close()
        if not greenlet.successful() or isinstance(greenlet.value, gevent.GreenletExit):
            _close_hard(self.core, entry)
        self.core.ledger.closed_one()
        self.core.opener.pump()
        self.core.upkeep.resume()
        self.tell_onlookers()
        self._finish()

    def _give_up(self, greenlet: Any) -> None:
        entry = self.under_way.get(greenlet)
        self._ended(greenlet)
        log.error("%s: closing %r does not end; its place is free", self.core.title, entry)

    # -- the whole pool

    def shut(self) -> None:
        """Take the pool out of service. Does not switch, and may be called again."""
        core, ledger = self.core, self.core.ledger
        if ledger.shut:
            return
        figures = core.figures()
        title = core.title
        waiting, idle = ledger.shut_down()
        for entry in ledger.open.values():
            entry.simple = False  # so that a lease that ends looks at the pool's state
        core.tell(waiting, lambda: PoolClosed(f"{title} was closed while a caller waited"))
        core.readiness.tell(lambda: PoolClosed(f"{title} was closed before it was ready"))
        for entry in idle:
            core.put_away(entry, "shutdown")
        core.opener.stop()
        core.upkeep.stop()
        core.prober.stop()
        log.info("%s: closing: %s", title, figures)
        self._finish()

    def _finish(self) -> None:
        """Where that was the last connection of a pool that is shut: the end. Does not switch."""
        ledger = self.core.ledger
        if ledger.shut and not (ledger.open or ledger.closing or self._finished):
            self._finished = True
            self._disarm()
            log.info("%s: closed", self.core.title)

    def collected(self) -> None:
        """The pool is being collected: close what is idle, if that can still be done."""
        core = self.core
        if core.forked or not core.started or core.ledger.shut or sys.is_finalizing():
            return
        if core.home._is_owned():
            self.shut()
        else:
            core.hub.loop.run_callback_threadsafe(self.shut)

    def close(self, timeout: float | None) -> None:
        """See `ConnectionPool.close`."""
        core = self.core
        core.must_be_home()
        if core.forked:
            let_go(core)
        self.shut()
        if timeout == 0:
            self._end_leases()
        elif timeout is not None and core.ledger.open:
            self._end_leases_in(timeout)
        if gevent.getcurrent() is gevent.get_hub():
            return  # in a callback of the loop, nothing may wait
        while self._busy or (timeout is not None and core.ledger.open):
            waiter = new_waiter()
            self._onlookers.append(waiter)
            try:
                park(waiter, None)
            finally:
                if waiter in self._onlookers:
                    self._onlookers.remove(waiter)

    def _end_leases_in(self, timeout: float) -> None:
        at = clock.monotonic() + timeout
        if at >= self._deadline_at:
            return  # an earlier close() has promised more
        self._disarm()
        self._deadline_at = at
        self._deadline = gevent.get_hub().loop.timer(max(clock.SHORTEST, timeout))
        self._deadline.start(self._end_leases, update=True)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.stop()
            self._deadline.close()
            self._deadline = None
            self._deadline_at = inf

    def _end_leases(self) -> None:
        for entry in self.core.ledger.leased():
            self.core.retire(entry, "shutdown")
        self.tell_onlookers()

    @property
    def _busy(self) -> bool:
        return bool(self.under_way or self.core.prober.under_way)

    def tell_onlookers(self) -> None:
        """Have those who wait in `close` look again. Does not switch."""
        onlookers, self._onlookers = self._onlookers, []
        for waiter in onlookers:
            waiter.state = HANDED
        wake(onlookers)


def _close(core: Core, pool: Hooks, entry: Entry) -> None:
    try:
        within(core.options.check_timeout, "closing", pool._close_connection, entry.connection)
        below: Any = getattr(entry.guard, "socket", None)
        if pool is GONE and below is not entry.connection and hasattr(below, "close"):
            below.close()  # the class may have known more than `c.close()`
    except BaseException as error:
        _close_hard(core, entry)
        log.info("%s: closing %r failed: %s", core.title, entry, brief(error))
        if isinstance(error, KeyboardInterrupt):
            raise


def _close_hard(core: Core, entry: Entry) -> None:
    """What is left when the graceful way failed: close the socket, or the object itself."""
    if entry.fate is INHERITED:
        return  # in a forked child, the parent closes it
    with contextlib.suppress(BaseException):  # whatever it raises, there is nothing more to do
        below: Any = getattr(entry.guard, "socket", None)
        if not hasattr(below, "close") and overridden(core.pool, "_close_connection"):
            below = entry.connection
        if hasattr(below, "close"):
            within(core.options.check_timeout, "closing", below.close)
