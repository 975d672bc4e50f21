"""What becomes of a program of callers, on upstream's pool or on the fork's?

A program is a list of steps, each a bare verb. A step has five seconds to come to rest; then what
its callers got and what is idle goes into the trace.
"""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
from observations import Library, pool_class

from geventconnpool_gov.testing import virtual_time

__all__ = ["DOCUMENTED", "FAULTS", "trace"]


class Run:
    """One pool and what has been seen of it."""

    def __init__(self, library: Library) -> None:
        self.pool = pool_class(library)(2)
        self.seen: list[str] = []
        self.callers: list[Any] = []

    def borrow(self, error: BaseException | None = None, seconds: float = 1.0) -> Any:
        def use() -> None:
            with contextlib.suppress(Exception, gevent.Timeout), self.pool.get() as connection:
                self.seen.append(f"got {connection}")
                gevent.sleep(seconds)
                if error is not None:
                    raise error

        self.callers.append(gevent.spawn(use))
        return self.callers[-1]

    # -- what upstream documents

    def borrow_three_at_once(self) -> None:
        for _ in range(3):
            self.borrow()

    def break_in_use(self) -> None:
        self.borrow(OSError("broken"))

    def fail_otherwise(self) -> None:
        self.borrow(ValueError("says nothing about the connection"))

    def break_while_none_can_be_opened(self) -> None:
        self.pool.connects.append(None)
        self.break_in_use()

    def kill_who_waits(self) -> None:
        self.borrow()
        self.borrow()
        gevent.spawn_later(0.5, self.borrow().kill, block=False)

    # -- what it does not, or does not keep

    def time_out_in_use(self) -> None:
        self.borrow(gevent.Timeout(1))

    def kill_in_use(self) -> None:
        gevent.spawn_later(0.5, self.borrow().kill, block=False)

    def break_while_connects_fail(self) -> None:
        self.pool.connects.append(OSError("refused"))
        self.break_in_use()

    def break_while_connects_hang(self) -> None:
        self.pool.connects.append(1e6)
        self.break_in_use()


DOCUMENTED = (
    *("borrow", "borrow_three_at_once", "break_in_use", "fail_otherwise"),
    *("break_while_none_can_be_opened", "kill_who_waits"),
)
#: And the observation that stands for each in the table of differences.
FAULTS = {
    "time_out_in_use": "an_interrupted_lease_goes_back",
    "kill_in_use": "an_interrupted_lease_goes_back",
    "break_while_connects_fail": "a_failed_connect_costs_a_slot",
    "break_while_connects_hang": "a_hanging_connect_is_waited_for",
}


def trace(library: Library, program: list[str]) -> list[str]:
    """What is seen of this program."""
    with virtual_time(leftovers="kill"):
        gevent.get_hub().exception_stream = None  # upstream lets errors escape into the hub
        run = Run(library)
        gevent.sleep(5)
        for step in program:
            getattr(run, step)()
            gevent.sleep(5)
            run.seen.append(f"after {step}: idle {list(run.pool.conn)}")
        gevent.sleep(100)
        left = sum(not caller.dead for caller in run.callers)
        run.seen.append(f"in the end: {len(run.pool.conn)} idle, {left} callers wait")
        if hasattr(run.pool, "close"):
            run.pool.close()
        return run.seen
