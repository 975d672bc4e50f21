"""How does a caller come by a connection, and how does it go back?

The paths of a borrow that `lease` does not walk itself. Coming: an idle connection that is fit,
else a place in the queue, until one is handed over, the time is up, or the pool says why not.
Going: closed, when the lease ended in a way that leaves the connection in doubt; else cleaned up
and handed on.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from . import clock
from .entries import DISCARDED, INHERITED, WAITING, Entry
from .errors import PoolClosed, PoolError, PoolTimeout, TooManyRequests
from .hooks import brief, log, within
from .options import UNSET, exception_classes, seconds
from .waiting import new_waiter, park, told

if TYPE_CHECKING:
    from .core import Core

__all__ = ["borrow", "fit", "inspect", "refuse", "serve", "settle", "timed_out"]


def borrow(core: Core, timeout: float | None) -> Entry:
    """A connection for this caller, who found none idle at the first look."""
    core.ready_here()  # in a forked child, the counts begin here
    core.tally.requests += 1
    began = clock.monotonic()
    return _lend(core, _acquire(core, timeout, began), began)


def inspect(core: Core, entry: Entry, timeout: float | None) -> Entry:
    """This connection, which was idle, if it is fit; otherwise another."""
    tally = core.tally
    tally.requests += 1
    began = clock.monotonic()
    if not fit(core, entry):
        entry = _acquire(core, timeout, began)
    elif _is_stale(core, entry):
        entry = _acquire(core, timeout, began, entry)
    elif not tally.told:  # and so nobody waited for anything, or wants to know
        entry.lent_at = began
        tally.at_once += 1
        if core.options.leak_after is not None:
            core.upkeep.lends(began)
        return entry
    return _lend(core, entry, began)


def _lend(core: Core, entry: Entry, began: float) -> Entry:
    now = entry.lent_at = clock.monotonic()
    core.upkeep.lends(now)
    try:
        core.tally.wait.add(now - began)
    except BaseException:  # a kill, in a listener that switched
        core.give_back(entry)
        core.tally.use.add(0.0)
        raise
    return entry


def refuse(core: Core, entered: Entry | None) -> None:
    """Raise why a lease cannot be entered, if it cannot."""
    core.ready_here()
    if entered is not None:
        raise PoolError("this lease is entered already; call get() for each borrow")


def _acquire(core: Core, timeout: float | None, began: float, entry: Entry | None = None) -> Entry:
    """Wait for a connection that is fit; `entry` is one that must be asked first."""
    core.ready_here()
    if timeout is UNSET:
        timeout = core.options.timeout
    else:
        timeout = seconds("timeout", timeout, optional=True, zero=True)
    # Computed once, at the door: a connection that turns out dead does not start the time anew.
    deadline = None if timeout is None else began + timeout
    queued = False
    had_its_turn = entry is not None
    while True:
        entry = entry or core.ledger.take()
        if entry is None:
            # A caller whose connection turned out dead goes on at the head of the queue.
            entry = _queue(core, deadline, timeout, first=had_its_turn, again=queued)
            queued = True
        had_its_turn = True
        if fit(core, entry) and (not _is_stale(core, entry) or _checked(core, entry, deadline)):
            return entry
        entry = None


def _checked(core: Core, entry: Entry, deadline: float | None) -> bool:
    remaining = None if deadline is None else max(0.0, deadline - clock.monotonic())
    try:
        answered = core.prober.check(entry, remaining)
    except BaseException:
        core.tally.cancelled += 1
        raise
    if answered is None:
        core.tally.timed_out += 1
        raise timed_out(core, "a connection that idled long was not proved alive in time")
    return answered and fit(core, entry)  # much may have been decided since, or have happened


def _queue(
    core: Core, deadline: float | None, timeout: float | None, *, first: bool, again: bool
) -> Entry:
    ledger, tally = core.ledger, core.tally
    try:
        if ledger.shut:
            raise PoolClosed(f"{core.title} was closed while a caller waited")
        core.opener.raise_if_hopeless()
    except PoolError:
        tally.refused += 1
        raise
    if not first:
        limit = core.options.max_waiting
        if limit is not None and ledger.waiting >= limit:
            tally.rejected += 1
            raise TooManyRequests(f"{core.title}: max_waiting is {limit}: {core.figures()}")
    waiter = new_waiter()
    ledger.join(waiter, first=first)
    try:
        if ledger.idle:
            serve(core)  # a lease ended in a foreign thread, this very moment
        tally.waited += not again
        core.opener.pump()
        remaining = None if deadline is None else deadline - clock.monotonic()
        if remaining is not None and remaining <= 0:
            waiter.expired = True
        else:
            park(waiter, remaining)
    except BaseException:
        tally.cancelled += 1
        if waiter.state is WAITING:
            ledger.leave(waiter)
        elif waiter.entry is not None:
            core.give_back(waiter.entry)
        raise
    if waiter.error is not None:
        tally.refused += 1
        raise told(waiter)
    if waiter.entry is None:
        ledger.leave(waiter)
        tally.timed_out += 1
        raise timed_out(core, f"no connection within {timeout:g} s")
    return waiter.entry


def fit(core: Core, entry: Entry) -> bool:
    """Whether a connection that is leased to this caller can be used, as far as a look tells.

    If not, it is closed. Does not switch.
    """
    if entry.fate is not None:  # decided since it was handed over: closed, or started over
        core.give_back(entry)
        return False
    entry.plain = entry.simple = entry.quick = False
    guard = entry.guard
    if guard is not None:
        guard.disarm()
        if not guard.alive():
            core.retire(entry, "peer_closed")
            return False
    if entry.expires_at < inf and entry.expires_at <= clock.monotonic():
        core.retire(entry, entry.ending)
        return False
    entry.lent = True
    return True


def _is_stale(core: Core, entry: Entry) -> bool:
    """Whether a connection has idled so long that it must be asked first."""
    check_after = core.options.check_after
    return check_after is not None and clock.monotonic() - entry.proved_at >= check_after


def timed_out(core: Core, what: str) -> PoolTimeout:
    """The error for a caller whose time is up, with the reason where connects fail."""
    error = PoolTimeout(f"{core.title}: {what}: {core.figures()}")
    if core.opener.backoff.failures:
        error.__cause__ = core.opener.backoff.last_error
    return error


def settle(core: Core, entry: Entry, kind: type[BaseException] | None) -> None:
    """End a lease that `lease` could not end by itself. `kind` is what ended it."""
    if not core.home._is_owned():
        # A generator collected in a foreign thread, say: the pool's own thread must do it.
        core.hub.loop.run_callback_threadsafe(settle, core, entry, kind)
        return
    now = clock.monotonic()
    used = now - entry.lent_at
    if entry.quick:
        core.meter.ends(entry)
    try:
        _end(core, entry, kind, now)
    finally:
        if entry.fate is not INHERITED:
            core.tally.use.add(used)


def _end(core: Core, entry: Entry, kind: type[BaseException] | None, now: float) -> None:
    if kind is None and entry.fate is None and not core.resets:
        core.give_back(entry, now)
    elif entry.fate not in (None, DISCARDED):
        core.give_back(entry)
    elif kind is not None and _is_broken(core, kind):
        core.retire(entry, "broken")
    elif kind is not None and not issubclass(kind, Exception):
        core.retire(entry, "interrupted")
    elif core.resets and entry.fate is None and not core.ledger.shut:
        _reset(core, entry)
    else:
        core.give_back(entry)


def serve(core: Core) -> None:
    """Hand what is idle to those who wait. Does not switch.

    A lease that goes the common way makes its connection idle first and looks at the queue after;
    a caller who joins the queue looks at what is idle after. So neither misses the other, not
    even where the lease ends in a foreign thread, at any instruction of this one.
    """
    if not core.home._is_owned():
        core.hub.loop.run_callback_threadsafe(serve, core)
        return
    while core.ledger.waiters and (entry := core.ledger.take()) is not None:
        core.give_back(entry)


def _is_broken(core: Core, kind: type[BaseException]) -> bool:
    try:
        return issubclass(kind, exception_classes("exc_classes", core.pool.exc_classes))
    except Exception:  # a subclass spoiled it: in doubt, the connection is closed
        return True


def _reset(core: Core, entry: Entry) -> None:
    reason = "interrupted"
    try:
        within(core.options.check_timeout, "resetting", core.pool._reset, entry.connection)
        reason = ""
    except Exception as error:
        reason = "reset_failed"
        log.info("%s: resetting %r failed: %s", core.title, entry, brief(error))
    finally:
        if reason and entry.fate is None:
            core.retire(entry, reason)
        else:
            core.give_back(entry)
