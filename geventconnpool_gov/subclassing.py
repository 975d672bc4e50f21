"""How do subclasses that were written for upstream go on working?

They reach into the pool: they read `conn` and `lock`, put new ones in their place, take
connections out and put them in, and spawn `_addOne` themselves; some never call `__init__`. Here
`conn` and `lock` are views of the one account, so that whatever is done through them keeps it
whole. `conn` holds the idle connections themselves; the counter of `lock` is how many there are.

What is taken out through `conn` is the subclass's to close. Putting a new lock in place starts
the pool over: what is lent at that moment no longer counts, and is closed when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import clock
from .entries import Entry
from .errors import PoolTimeout
from .lease import Lease
from .options import UNSET

if TYPE_CHECKING:
    from .core import Core

__all__ = ["ByHand", "IdleView", "LockView"]


class ByHand:
    """What subclasses hold of one pool in their own hands."""

    __slots__ = ("core", "credit", "leases", "reserved")

    def __init__(self, core: Core) -> None:
        self.core = core
        core.by_hand = self
        # How often a new lock can be acquired without a connection behind it; None: `size` times.
        self.credit: int | None = 0
        self.reserved: list[Lease] = []  # acquired through `lock`, not yet taken from `conn`
        self.leases: dict[int, Lease] = {}  # taken from `conn`, by id(connection)

    def forget(self) -> None:
        """In a forked child: the parent's. What was taken stays known, should it come back."""
        self.reserved.clear()

    def start_over(self) -> None:
        """A new lock was put in place: forget what is lent."""
        core = self.core
        self.reserved.clear()
        self.leases.clear()
        for entry in core.ledger.leased():
            core.renounce(entry)
        self.credit = None
        self._count_what_is_open()
        if core.started:
            core.opener.pump()

    def renounce_idle(self) -> None:
        """`conn` was emptied: what was idle is the subclass's to close."""
        self.renounce(list(self.core.ledger.idle))

    def renounce(self, entries: Iterable[Entry]) -> None:
        """These were taken out of `conn` for good."""
        core = self.core
        core.must_be_home()
        for entry in entries:
            core.renounce(entry)
        self._count_what_is_open()
        if core.started:
            core.opener.pump()

    def _count_what_is_open(self) -> None:
        ledger = self.core.ledger
        if self.core.manual:  # there, `min_size` is what `_addOne` was asked for; see `opening`
            ledger.min_size = len(ledger.open)

    def has_credit(self) -> bool:
        """Whether the lock is as new, and can be acquired without a connection."""
        if self.credit is None:
            self.credit = self.core.ledger.size
        return self.credit > 0

    def acquire(self, timeout: float | None) -> None:
        """`lock.acquire()`: the right to take one from `conn`."""
        if self.has_credit():
            assert self.credit is not None
            self.credit -= 1
            return
        lease = self._lease(timeout)
        lease.__enter__()
        self.reserved.append(lease)

    def release(self) -> None:
        """`lock.release()`: what was acquired and not taken goes back."""
        if self.reserved:
            self.reserved.pop().__exit__(None, None, None)

    def take(self, entry: Entry | None) -> Any:
        """Take an idle connection, or the one acquired."""
        self.core.must_be_home()
        if self.reserved:
            lease = self.reserved.pop(0)
            entry = lease.entry
        else:
            lease = self._lease(None)
            lease.entry = entry
            if entry is not None:
                self.core.ledger.idle.remove(entry)
                if entry.guard is not None:
                    entry.guard.disarm()
        assert entry is not None
        entry.lent, entry.plain, entry.simple, entry.quick = True, False, False, False
        entry.lent_at = clock.monotonic()
        self.leases[id(entry.connection)] = lease
        return entry.connection

    def put(self, connection: Any) -> None:
        """Put a connection back, or a new one in."""
        self.core.must_be_home()
        lease = self.leases.pop(id(connection), None)
        if lease is not None:
            lease.__exit__(None, None, None)
        else:
            if self.core.ledger.room <= 0:
                self.abandon_one()  # of those that are out, the one that did not come back
            self.core.opener.attempts.adopt_by_hand(connection)

    def _lease(self, timeout: float | None) -> Lease:
        lease = Lease()
        lease.pool, lease.entry, lease.timeout = self.core.pool, None, timeout
        return lease

    def abandon_one(self) -> None:
        """A connection taken by hand did not come back, and `_addOne` was called instead."""
        if self.leases:
            lease = self.leases.pop(next(iter(self.leases)))
            if lease.entry is not None:
                self.core.renounce(lease.entry)


class IdleView:
    """`conn`: the idle connections, the next to be lent first."""

    __slots__ = ("_by_hand",)

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand

    @property
    def _idle(self) -> list[Entry]:
        return list(self._by_hand.core.ledger.idle)

    def __len__(self) -> int:
        return len(self._by_hand.core.ledger.idle) + len(self._by_hand.reserved)

    def __iter__(self) -> Iterator[Any]:
        return iter([entry.connection for entry in self._idle])

    def __contains__(self, connection: object) -> bool:
        return any(entry.connection is connection for entry in self._idle)

    def __getitem__(self, index: int) -> Any:
        return self._idle[index].connection

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to a deque, and changing: no key

    def __repr__(self) -> str:
        return f"<{len(self)} idle connections>"

    def popleft(self) -> Any:
        """Take the next one out; `append` brings it back."""
        return self._take(0)

    def pop(self) -> Any:
        """Take the last one out; `append` brings it back."""
        return self._take(-1)

    def append(self, connection: Any) -> None:
        """Bring a connection back, or a new one in: to the longest waiter, else to idle.

        Raises:
            SharedConnectionError: the pool has this very object.
            ValueError: there is no room for it.
        """
        self._by_hand.put(connection)

    appendleft = append

    def extend(self, connections: Iterable[Any]) -> None:
        """`append` each."""
        for connection in connections:
            self.append(connection)

    def remove(self, connection: Any) -> None:
        """Take this one out for good."""
        for entry in self._idle:
            if entry.connection is connection:
                self._by_hand.renounce((entry,))
                return
        raise ValueError("this connection is not idle")

    def clear(self) -> None:
        """Take all out for good; closing them is the caller's affair."""
        self._by_hand.renounce_idle()

    def _take(self, index: int) -> Any:
        idle = self._idle
        if not idle and not self._by_hand.reserved:
            raise IndexError("no connection is idle")
        return self._by_hand.take(idle[index] if idle else None)


class LockView:
    """`lock`: a semaphore whose counter is the number of idle connections."""

    __slots__ = ("_by_hand",)

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand

    @property
    def counter(self) -> int:
        """How often it can be acquired without waiting."""
        return len(self._by_hand.core.ledger.idle)

    def locked(self) -> bool:
        """Whether acquiring would wait."""
        return not self.counter

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Wait for a connection; `conn.popleft()` then takes it.

        Raises:
            PoolTimeout: `timeout` seconds passed; a `blocking=False` returns False instead.
        """
        if blocking:
            self._by_hand.acquire(UNSET if timeout is None else timeout)
            return True
        try:
            self._by_hand.acquire(0.0)
        except PoolTimeout:
            return False
        return True

    def release(self) -> None:
        """Give back what was acquired and not taken."""
        self._by_hand.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
