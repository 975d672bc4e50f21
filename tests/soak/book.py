"""What did the callers of one pool see of it? A record kept from outside, call by call.

Who came when and was served when, who was told what, and who has which connection now. The pool's
own figures must say the same, and nobody may have what another has.
"""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Any

import gevent

from geventconnpool_gov import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests
from geventconnpool_gov.errors import PoolConnectError
from geventconnpool_gov.options import UNSET


@dataclass(eq=False)
class Call:
    """One call for a connection, from when it came until it was served or told why not."""

    number: int
    timeout: float | None
    greenlet: Any = field(default_factory=gevent.getcurrent)
    began: float = field(default_factory=monotonic)
    overtaken: int = 0  # times that somebody who came later was served while this one was first


class Book:
    """The calls of one pool.

    Of those who wait, only the one who came first is looked at when somebody is served: a caller
    who is left to wait becomes that one. One whose connection is being checked has had its turn.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self.outcomes: Counter[str] = Counter()
        self.broken: list[str] = []
        self.held: dict[int, Call] = {}  # by id(connection)
        self.ended = 0
        self.waiting: dict[int, Call] = {}  # by number, the first first
        self.longest = 0.0  # seconds
        self.rounds = 0.0  # `overtaken` at its worst, in rounds of all connections
        self._pool = weakref.ref(pool)
        self._numbers = count(1)

    def arrive(self, timeout: float | None) -> Call:
        """Somebody asks for a connection."""
        pool = self._pool()
        if timeout is UNSET and pool is not None:
            timeout = pool._core.options.timeout
        call = Call(next(self._numbers), timeout)
        self.waiting[call.number] = call
        return call

    def serve(self, call: Call, connection: Any) -> None:
        """That caller has this connection from now on."""
        self._leave(call, "served")
        if self.held.setdefault(id(connection), call) is not call:
            self.broken.append(f"{connection!r} was lent to two callers at once")
        first = next(iter(self.waiting.values()), None)
        pool = self._pool()
        if first is None or pool is None or first.number > call.number:
            return
        if all(first.greenlet is not asker for asker in being_checked(pool)):
            first.overtaken += 1
            self.rounds = max(self.rounds, first.overtaken / pool._core.ledger.limit)

    def refuse(self, call: Call, error: BaseException) -> None:
        """That caller was told `error` instead."""
        if isinstance(error, PoolTimeout):
            outcome = "timed out"
        elif isinstance(error, TooManyRequests):
            outcome = "rejected"
        elif isinstance(error, PoolClosed):
            outcome = "closed"
        elif isinstance(error, PoolConnectError):
            outcome = "refused"
        else:
            outcome = "cancelled"
        self._leave(call, outcome)

    def end(self, connection: Any) -> None:
        """The lease of this connection is about to end."""
        self.held.pop(id(connection), None)
        self.ended += 1

    def _leave(self, call: Call, outcome: str) -> None:
        del self.waiting[call.number]
        call.greenlet = None  # a killed one holds its frames, and these the call and the pool
        self.outcomes[outcome] += 1
        self.longest = max(self.longest, monotonic() - call.began)


class WatchedLease:
    """A pool's own lease, and a note in the book before and after."""

    __slots__ = ("book", "connection", "lease", "timeout")

    def __init__(self, lease: Any, book: Book, timeout: float | None) -> None:
        self.lease, self.book, self.timeout = lease, book, timeout

    def __enter__(self) -> Any:
        call = self.book.arrive(self.timeout)
        try:
            connection = self.connection = self.lease.__enter__()
        except BaseException as error:
            self.book.refuse(call, error)
            raise
        self.book.serve(call, connection)
        return connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.book.end(self.connection)
        self.lease.__exit__(kind, error, trace)


class Watched(ConnectionPool):
    """Comes before a pool's class and has each of its leases noted, in `book`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.book = Book(self)
        super().__init__(*arguments, **options)

    def get(self, timeout: float | None = UNSET) -> Any:
        """Lend a connection, and note it."""
        return WatchedLease(super().get(timeout), self.book, timeout)


def being_checked(pool: ConnectionPool) -> list[Any]:
    """Return the callers who wait for the check of a connection that they were given."""
    probes = pool._core.prober.under_way.values()
    return [probe.waiter.greenlet for probe in probes if probe.waiter is not None]
