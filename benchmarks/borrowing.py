"""What does `with pool.get()` cost when nobody else wants a connection?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter_ns
from typing import Any

from benchmarks.pools import Bare, ours, ours_with_every_option, upstream

ROUNDS, BORROWS = 41, 5_000


def measure() -> Iterator[tuple[str, float]]:
    """Yield each pool's cost in units of the bare parts'."""
    bare = Bare(10)
    pools = {
        "this project": ours(10),
        "this project, every option on": ours_with_every_option(10),
        "upstream": upstream(10),
        "the parts as a generator": bare,
    }
    loops: dict[str, Callable[[], int]] = {who: _borrowing(pool) for who, pool in pools.items()}
    took: dict[str, list[int]] = {who: [] for who in (*loops, "parts")}
    for _ in range(ROUNDS):  # in turn, so that noise meets all of them
        empty = _empty()
        took["parts"].append(_parts(bare) - empty)
        for who, loop in loops.items():
            took[who].append(loop() - empty)
    for who in loops:
        yield who, median(took[who]) / median(took["parts"])


def _parts(bare: Bare) -> int:
    lock, idle = bare.lock, bare.idle
    began = perf_counter_ns()
    for _ in range(BORROWS):
        lock.acquire()
        connection = idle.popleft()
        idle.append(connection)
        lock.release()
    return perf_counter_ns() - began


def _borrowing(pool: Any) -> Callable[[], int]:
    def loop() -> int:
        began = perf_counter_ns()
        for _ in range(BORROWS):
            with pool.get():
                pass
        return perf_counter_ns() - began

    return loop


def _empty() -> int:
    began = perf_counter_ns()
    for _ in range(BORROWS):
        pass
    return perf_counter_ns() - began
