"""Pools for tests in virtual time: their connections block on nothing but gevent's own waits."""

from __future__ import annotations

from typing import Any

import gevent

from geventconnpool_gov import ConnectionPool


class Connection:
    """A connection without a peer: what happens to it is what the test does."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = 0

    def __repr__(self) -> str:
        return f"c{self.number}"


class Pool(ConnectionPool):
    """A pool that opens `Connection` objects.

    `connects` says how the first connects go: seconds that one takes, or the error that it ends
    in. Every later one succeeds at once.
    """

    SPAWN_FREQUENCY = 0.0

    def __init__(self, size: Any = 1, *args: Any, connects: Any = (), **options: Any) -> None:
        self.connects = list(connects)
        self.made: list[Connection] = []
        self.closing_takes = 0.0
        super().__init__(size, *args, **options)

    def _new_connection(self) -> Any:
        step = self.connects.pop(0) if self.connects else 0.0
        if isinstance(step, BaseException):
            raise step
        gevent.sleep(step)
        self.made.append(Connection(len(self.made) + 1))
        return self.made[-1]

    def _close_connection(self, c: Any) -> None:
        gevent.sleep(self.closing_takes)
        c.closed += 1

    @property
    def still_open(self) -> list[Connection]:
        """The connections that were opened and not closed."""
        return [connection for connection in self.made if not connection.closed]


def hold(pool: ConnectionPool, seconds: float, log: list[Any] | None = None, **get: Any) -> Any:
    """Borrow, keep the connection for some time, and give it back."""
    with pool.get(**get) as connection:
        if log is not None:
            log.append(connection)
        gevent.sleep(seconds)
    return connection


def assert_whole(pool: ConnectionPool) -> None:
    """Nothing is lost: with nobody there, every unit is idle, and the figures add up."""
    gevent.sleep(60)
    stats = pool.stats()
    assert (stats.idle, stats.in_use, stats.opening, stats.waiting) == (pool.size, 0, 0, 0), pool
    assert_adds_up(pool)


def assert_adds_up(pool: ConnectionPool) -> None:
    """What must be true of the figures at every moment."""
    stats = pool.stats()
    assert stats.opened - sum(stats.closed.values()) == stats.open
    assert stats.open == stats.idle + stats.in_use
    pool._core.ledger.check()
