"""When has the pool the connections that it should have, and who wants to know?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import clock
from .borrowing import timed_out
from .entries import HANDED, WAITING, Waiter
from .options import seconds
from .waiting import new_waiter, park, told, wake

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Readiness"]


class Readiness:
    """Those who wait until `min_size` connections of one pool are open."""

    __slots__ = ("_waiters", "core")

    def __init__(self, core: Core) -> None:
        self.core = core
        self._waiters: list[Waiter] = []

    def wait(self, timeout: float | None) -> None:
        """See `ConnectionPool.wait_until_ready`."""
        core = self.core
        timeout = seconds("timeout", timeout, optional=True, zero=True)
        deadline = None if timeout is None else clock.monotonic() + timeout
        core.ready_here()
        while len(core.ledger.open) < core.ledger.min_size:
            core.ready_here()
            core.opener.raise_if_hopeless()
            waiter = new_waiter()
            self._waiters.append(waiter)
            try:
                park(waiter, None if deadline is None else max(0.0, deadline - clock.monotonic()))
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            if waiter.error is not None:
                raise told(waiter)
            if waiter.state is WAITING:
                wanted = core.ledger.min_size
                raise timed_out(core, f"fewer than {wanted} connections within {timeout:g} s")

    def tell(self, error: Callable[[], BaseException] | None = None) -> None:
        """Wake all of them: to look again, or each with an error of its own."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.state = HANDED
            waiter.error = None if error is None else error()
        wake(waiters)
