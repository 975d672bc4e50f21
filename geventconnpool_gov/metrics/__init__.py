"""Which pools does an exporter tell of, what are they called, and how are their figures read?

Each exporter is a module of its own: `prometheus`, `opentelemetry`, `statsd`. None keeps a pool
alive, none is imported by the rest of the package, and none has a caller of the pool pay for a
fault of its library.

A pool is called by its `name`; where it has none, by the name of its class. What is told of it ends
when it is collected; until then a closed pool goes on telling its last figures, unless a new one
of the same name takes its place.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gevent.monkey import get_original

if TYPE_CHECKING:
    from geventconnpool_gov.pool import ConnectionPool
    from geventconnpool_gov.statistics import PoolStats

__all__ = ["BOUNDS", "COUNTERS", "Pools", "figures", "name_of"]

#: Limits of buckets, in seconds, that people can read: 1, 2.5 and 5 of each decade.
BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0),
)

#: Counts that only grow, by their field of `PoolStats`; `closed`, by reason, is one more.
COUNTERS = {
    "requests": "Calls that asked for a connection",
    "requests_waited": "Calls that had to queue",
    "requests_timed_out": "Calls that ended in PoolTimeout",
    "requests_rejected": "Calls turned away, as max_waiting were waiting",
    "requests_cancelled": "Calls interrupted while they waited",
    "requests_refused": "Calls that ended in PoolConnectError or PoolClosed",
    "opened": "Connects that succeeded",
    "connect_errors": "Connects that failed",
    "checks": "Checks before lending",
    "check_failures": "Checks before lending without an answer",
    "keepalives": "Keepalive probes sent",
    "keepalive_failures": "Keepalive probes without an answer",
    "leaks": "Leases that lasted longer than leak_after",
}

_SimpleQueue = get_original("queue", "SimpleQueue")
_Empty = get_original("queue", "Empty")
_PATIENCE = 0.5  # seconds for another thread's loop to turn


def name_of(pool: ConnectionPool) -> str:
    """What figures call this pool: its `name`, else the name of its class."""
    return pool._core.options.name or type(pool).__name__


def figures(pool: ConnectionPool) -> PoolStats:
    """`pool.stats()`, from any thread.

    The figures add up only between two steps of the pool, which are taken in its own thread. So
    another thread has that one's loop read them; where the loop does not turn within half a second,
    nothing steps either, and they are read from here.
    """
    core = pool._core
    loop = getattr(core.hub, "loop", None)
    if core.home._is_owned() or core.forked or loop is None:
        return pool.stats()
    answer: Any = _SimpleQueue()
    loop.run_callback_threadsafe(lambda: answer.put(pool.stats()))
    try:
        stats: PoolStats = answer.get(timeout=_PATIENCE)
    except _Empty:
        stats = pool.stats()
    return stats


class Pools:
    """Pools by name, none of them kept alive."""

    def __init__(self) -> None:
        self._pools: dict[str, weakref.ref[ConnectionPool]] = {}

    def add(self, pool: ConnectionPool) -> str:
        """Tell of this pool too, in place of a closed one of its name. Adding it again is nothing.

        Returns:
            what it is called.

        Raises:
            ValueError: another pool of that name is there, and works.
        """
        name = name_of(pool)
        other = self._pools.get(name, lambda: None)()
        if other is not None and other is not pool and not other._core.ledger.shut:
            raise ValueError(f"there is a pool {name!r} already: give each a `name` of its own")
        self._pools[name] = weakref.ref(pool)
        return name

    def __iter__(self) -> Iterator[tuple[str, ConnectionPool]]:
        for name, reference in list(self._pools.items()):
            pool = reference()
            if pool is not None:
                yield name, pool
            elif self._pools.get(name) is reference:
                del self._pools[name]
