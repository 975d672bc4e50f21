"""Does an operation cost the same with a hundred times as many connections and clients?

Ten thousand greenlets cost more per switch than a hundred do, pool or not: their stacks do not
fit the caches. So the same greenlets without a pool are timed beside, and what is compared is
what the pool adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import gevent

from benchmarks.pools import Bare, Ours, ours

Pool = Bare | Ours


def measure() -> Iterator[tuple[str, float]]:
    """Yield each pool's cost of a contended borrow at the large size, in units of the small."""
    yield "this project", _ratio(ours)
    yield "the parts as a generator", _ratio(Bare)


def _ratio(make: Callable[[int], Pool]) -> float:
    small, large = [], []
    for _ in range(7):
        small.append(_cost(make(10), clients=100, borrows=400))
        large.append(_cost(make(1_000), clients=10_000, borrows=4))
    return median(large) / median(small)


def _cost(pool: Pool, clients: int, borrows: int) -> float:
    def borrowing() -> None:
        gevent.sleep(0)  # all of them are there before the first one borrows
        for _ in range(borrows):
            with pool.get():
                gevent.sleep(0)

    def switching() -> None:
        gevent.sleep(0)
        for _ in range(borrows):
            gevent.sleep(0)  # as a borrower is switched to when it is handed a connection
            gevent.sleep(0)

    return (_time(borrowing, clients) - _time(switching, clients)) / (clients * borrows)


def _time(client: Callable[[], None], clients: int) -> float:
    greenlets = [gevent.spawn(client) for _ in range(clients)]
    gevent.sleep(0)
    began = perf_counter()
    gevent.joinall(greenlets)
    return perf_counter() - began
