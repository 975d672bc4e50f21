"""What does an application need from a pool?

Four names, which an application can write its code against, so that the pool behind them can be
exchanged in one place: docs/replaceable.md shows how. What a type cannot say of them,
`geventconnpool_gov.testing.conformance` asks a pool.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

__all__ = ["Pool"]

Connection = TypeVar("Connection")


class Pool(Protocol[Connection]):
    """Lends connections, each to one caller at a time.

    How a pool is made, and how many connections it has, is between the pool and whoever makes it.
    """

    @property
    def timeout_error(self) -> type[Exception]:
        """What `get` raises when there is no connection in time.

        No `OSError`: that a peer does not answer, and that all connections are in use, are two
        things. An attribute of the pool, as PEP 249 has them, so that `except pool.timeout_error`
        needs no import.
        """

    def get(self, *, timeout: float = ...) -> AbstractContextManager[Connection]:
        """Lend a connection for the length of a `with` block.

        An `OSError`, a kill or a `gevent.Timeout` that leaves the block has the connection closed;
        any other end gives it back.

        Args:
            timeout: wait at most this many seconds, a connect included. Left out: as the pool was
                made to.

        Raises:
            timeout_error: there was none in time.
        """

    def discard(self, connection: Connection, /) -> None:
        """Have a lent connection closed, not lent again, however its `with` block ends."""

    def close(self) -> None:
        """Lend no more; close what is idle now, and what is lent when it comes back."""
