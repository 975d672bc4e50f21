"""How long does the unluckiest of 100 clients on 10 connections wait?

Counted in rounds of fair service, which take the time in which every client could have been
served once: 1 is perfect, and no clock is involved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent

from benchmarks.pools import Bare, ours, upstream

CLIENTS, CONNECTIONS, BORROWS = 100, 10, 100


def measure() -> Iterator[tuple[str, float]]:
    """Yield each pool's longest wait."""
    yield "this project", _longest_wait(ours(CONNECTIONS))
    yield "upstream", _longest_wait(upstream(CONNECTIONS))
    yield "the parts as a generator", _longest_wait(Bare(CONNECTIONS))


def _longest_wait(pool: Any) -> float:
    served = longest = 0

    def client() -> None:
        nonlocal served, longest
        for _ in range(BORROWS):
            asked_at = served
            with pool.get():
                longest = max(longest, served - asked_at)
                served += 1
                gevent.sleep(0)

    gevent.joinall([gevent.spawn(client) for _ in range(CLIENTS)], raise_error=True)
    return longest / CLIENTS
