"""How does a caller wait, and how is it woken?

A waiter is a slot (`ledger.Waiter`): whoever has something for the caller puts it into the slot
and schedules a wake; the caller sleeps until its slot is filled. Waking by switching to a greenlet
taken out of a list instead would lose a connection whenever a kill or a Timeout for that greenlet
was on its way in the same iteration of the loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gevent

from . import clock
from .entries import WAITING, Waiter
from .errors import PoolError

__all__ = ["new_waiter", "park", "told", "wake"]


def new_waiter() -> Waiter:
    """A slot for the current greenlet.

    Raises:
        PoolError: called in the hub itself, from a callback of the loop, where nothing may wait.
    """
    current = gevent.getcurrent()
    if current is gevent.get_hub():
        raise PoolError(
            "a callback of the event loop cannot wait for a connection; spawn a greenlet"
        )
    return Waiter(current)


def park(waiter: Waiter, seconds: float | None) -> None:
    """Sleep until the slot is filled, or for `seconds`; then `waiter.expired` is true.

    A kill or a `gevent.Timeout` passes through; the slot may have been filled by then, and what
    it holds is the caller's to pass on.
    """
    hub = gevent.get_hub()
    timer = None
    try:
        if seconds is not None:
            timer = hub.loop.timer(max(clock.SHORTEST, seconds))
            timer.start(_expire, waiter, update=True)
        while waiter.state is WAITING and not waiter.expired:
            hub.switch()
    finally:
        waiter.greenlet = None
        if timer is not None:
            timer.stop()
            timer.close()


def told(waiter: Waiter) -> BaseException:
    """Take the error out of a slot that has one.

    Left there it would hold the frames that hold the slot: each refused caller would leave a cycle,
    and in it whatever its frames have, the pool among them.
    """
    error, waiter.error = waiter.error, None
    assert error is not None
    return error


def wake(waiters: Iterable[Waiter]) -> None:
    """Let these run, in this order, as soon as the loop gets to it. Does not switch."""
    loop = gevent.get_hub().loop
    for waiter in waiters:
        loop.run_callback(_switch_to, waiter)


def _switch_to(waiter: Any) -> None:
    if waiter.greenlet is not None:
        waiter.greenlet.switch()


def _expire(waiter: Any) -> None:
    # The switch follows at once: nobody can fill the slot between the two lines.
    if waiter.state is WAITING and waiter.greenlet is not None:
        waiter.expired = True
        waiter.greenlet.switch()
