"""Who has what: the pool's account, and every legal change of it.

What lives here: which connections are open, which of them are idle, how many more are being
opened or closed, and who waits. What must not: gevent, sockets, clocks, logging. A method either
changes the account completely or raises and changes nothing; none of them can switch greenlets,
so the account is whole whenever anybody else runs. Callers change the account first and act on
what it returned (wake, open, close) afterwards.

A unit of capacity, of which there are `limit` (`size`, and what a burst may add), is in exactly
one place:

    free      nobody has it
    opening   a connect attempt is under way
    idle      an open connection that waits for a caller
    leased    an open connection that somebody holds: a caller, the keepalive, or a waiter to
              whom it was handed and who has not run since
    closing   a connection that is out of service and whose close has not ended; it holds its
              unit because its peer still counts it

Moves:

    free -> opening      begin_opening        opening -> leased    opened
    opening -> free      opening_failed       idle -> leased       take
    leased -> leased     put_back, to the longest waiter           (direct hand-off)
    leased -> idle       put_back, where nobody waits
    idle, leased -> closing   retire          closing -> free      closed_one
    idle, leased -> free      renounce             every idle -> closing   shut_down

# Invariants, asserted by `check`:
# - len(open) + opening + closing <= limit, or has only come down since the limit was lowered
# - every idle entry is open and stands in `idle` once
# - nobody waits while a connection is idle: first come, first served
# - a handed waiter's entry is open and not idle
# - once `shut` is true, nothing is idle and nobody waits
"""

from __future__ import annotations

from collections import deque
from typing import Any

from .entries import DEAD, HANDED, WAITING, Entry, Waiter

__all__ = ["Ledger"]


class Ledger:
    """The account of one pool."""

    __slots__ = (
        "closing",
        "dead",
        "idle",
        "lifo",
        "limit",
        "min_size",
        "most",
        "open",
        "opening",
        "owed",
        "shut",
        "size",
        "waiters",
    )

    def __init__(self, size: int = 0, min_size: int = 0) -> None:
        # At most, and at least, this many are open; the least even when nobody waits.
        self.size, self.min_size = size, min_size
        self.limit = size  # what a burst may reach, at least `size`
        self.most = size  # the limit, or what exceeds it still since it was lowered
        self.lifo = False  # the latest to come back is lent first, so that the others idle
        self.idle: deque[Entry] = deque()  # first in, first out
        self.open: dict[int, Entry] = {}  # by id(connection)
        self.opening = 0
        self.owed = 0  # connects wanted in advance, for connections about to be replaced
        self.closing = 0
        self.waiters: deque[Waiter] = deque()  # in order of arrival; holds dead slots too
        self.dead = 0  # how many of `waiters` are dead
        self.shut = False

    # -- figures

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self.waiters) - self.dead

    @property
    def in_use(self) -> int:
        """How many open connections somebody holds."""
        return len(self.open) - len(self.idle)

    @property
    def room(self) -> int:
        """How many units are free, those of a burst included."""
        return self.limit - len(self.open) - self.opening - self.closing

    @property
    def wanted(self) -> int:
        """How many more connects should be begun now.

        Up to `min_size`, and one for each waiter for whom none is under way, as far as `size`
        goes. Beyond it one after the other: a peak that is over before a connect has ended opens
        one connection, not one for each waiter.
        """
        if self.shut:
            return 0
        missing = self.min_size - len(self.open) - self.opening
        wanted = max(missing, self.waiting - self.opening, self.owed - self.opening)
        if wanted <= 0:
            return 0
        within_size = self.room - (self.limit - self.size)
        if within_size <= 0:
            return max(0, min(self.room, 0 if self.opening else 1))
        return min(wanted, within_size)

    @property
    def surplus(self) -> int:
        """How many more than `size` are open."""
        return len(self.open) - self.size

    @property
    def oldest(self) -> Entry | None:
        """Of the idle entries, the one that has not been used for the longest time."""
        if not self.idle:
            return None
        return self.idle[-1] if self.lifo else self.idle[0]

    def leased(self) -> list[Entry]:
        """The entries that somebody holds."""
        idle = set(map(id, self.idle))
        return [entry for entry in list(self.open.values()) if id(entry) not in idle]

    # -- borrowing and returning

    def take(self) -> Entry | None:
        """The next idle entry, leased from now on; None where there is none."""
        return self.idle.popleft() if self.idle else None

    def put_back(self, entry: Entry) -> Waiter | None:
        """End a lease: to the longest waiter, who is returned and must be woken, else to idle."""
        self._must_be_leased(entry)
        while self.waiters:
            waiter = self.waiters.popleft()
            if waiter.state is WAITING:
                waiter.state, waiter.entry = HANDED, entry
                return waiter
            self.dead -= 1
        self.stow(entry)
        return None

    def seize(self, entry: Entry) -> None:
        """Lease this idle entry, whichever place it has."""
        self.idle.remove(entry)

    def put_aside(self, entry: Entry) -> Waiter | None:
        """End a lease that was no use, a probe: like `put_back`, but it goes back to its place."""
        self._must_be_leased(entry)
        if self.waiting:
            return self.put_back(entry)
        place = 0
        for other in self.idle:
            if (other.idle_since > entry.idle_since) is not self.lifo:
                break
            place += 1
        self.idle.insert(place, entry)
        return None

    # -- waiting

    def join(self, waiter: Waiter, *, first: bool = False) -> None:
        """Enter the queue: at its end, or at its head for one whose turn it was already.

        Who finds something idle afterwards takes it: a lease that ends in a foreign thread may
        have put it there since the look before.
        """
        if self.shut:
            raise AssertionError("a caller must not wait for a pool that is shut")
        if first:
            self.waiters.appendleft(waiter)
        else:
            self.waiters.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give up waiting. The slot is dropped later: in bulk, or when its turn comes."""
        if waiter.state is not WAITING:
            raise AssertionError(f"a {waiter.state} waiter cannot leave")
        waiter.state = DEAD
        self.dead += 1
        if self.dead > 32 and self.dead * 2 > len(self.waiters):
            # In place: others hold this very deque.
            alive = [each for each in self.waiters if each.state is WAITING]
            self.waiters.clear()
            self.waiters.extend(alive)
            self.dead = 0

    def dismiss(self) -> list[Waiter]:
        """Empty the queue; the caller tells each of those returned why."""
        dismissed = [waiter for waiter in self.waiters if waiter.state is WAITING]
        for waiter in dismissed:
            waiter.state = HANDED
        self.waiters.clear()
        self.dead = 0
        return dismissed

    # -- opening and closing

    def begin_opening(self) -> None:
        """Reserve a unit for a connect attempt."""
        if self.room <= 0:
            raise AssertionError(f"no room to open another: {self!r}")
        self.opening += 1

    def opening_failed(self) -> None:
        """Free the unit of an attempt that brought nothing."""
        if not self.opening:
            raise AssertionError("no attempt is under way")
        self.opening -= 1
        self._came_down()

    def opened(self, entry: Entry) -> None:
        """An attempt brought a connection; it is leased until `put_back`."""
        if id(entry.connection) in self.open:
            raise AssertionError(f"{entry} is open already")
        if not self.opening:
            raise AssertionError("no attempt is under way")
        self.opening -= 1
        self.open[id(entry.connection)] = entry

    def find(self, connection: Any) -> Entry | None:
        """The entry of an open connection."""
        entry = self.open.get(id(connection))
        return entry if entry is not None and entry.connection is connection else None

    def renounce(self, entry: Entry) -> bool:
        """Take an open connection out of the account, its unit is free; whether it was leased."""
        leased = self._remove(entry)
        self._came_down()
        return leased

    def _remove(self, entry: Entry) -> bool:
        if self.open.get(id(entry.connection)) is not entry:
            raise AssertionError(f"{entry} is not open")
        leased = entry not in self.idle
        if not leased:
            self.idle.remove(entry)
        del self.open[id(entry.connection)]
        return leased

    def retire(self, entry: Entry) -> bool:
        """Take an open connection out of service; whether it was leased.

        Its unit is free after `closed_one`.
        """
        leased = self._remove(entry)
        self.closing += 1
        return leased

    def closed_one(self) -> None:
        """A retired connection's close has ended."""
        if not self.closing:
            raise AssertionError("nothing is closing")
        self.closing -= 1
        self._came_down()

    def set_limits(self, size: int, min_size: int, limit: int) -> None:
        """Change how many may be open. Those above a lowered limit stay until they are retired."""
        self.size, self.min_size, self.limit = size, min_size, limit
        self.most = limit
        self._came_down()

    def _came_down(self) -> None:
        self.most = max(self.limit, len(self.open) + self.opening + self.closing)

    def shut_down(self) -> tuple[list[Waiter], list[Entry]]:
        """Take the whole pool out of service: those who wait, and what was idle and is closing."""
        self.shut = True
        idle = list(self.idle)
        self.idle.clear()
        for entry in idle:
            del self.open[id(entry.connection)]
        self.closing += len(idle)
        return self.dismiss(), idle

    # -- what must always hold

    def check(self) -> None:
        """Assert the invariants. Costs a walk over everything; the tests call it at each step."""
        idle = [id(entry) for entry in self.idle]
        entries = {id(entry) for entry in self.open.values()}
        waiting = sum(waiter.state is WAITING for waiter in self.waiters)
        assert min(self.opening, self.closing, self.dead) >= 0, self
        assert len(self.open) + self.opening + self.closing <= self.most, self
        assert len(set(idle)) == len(idle), f"an entry is idle twice: {self!r}"
        assert entries.issuperset(idle), f"an idle entry is not open: {self!r}"
        assert all(key == id(entry.connection) for key, entry in self.open.items()), self
        assert waiting == self.waiting, f"{waiting} wait, not {self.waiting}: {self!r}"
        assert not (waiting and idle), f"{waiting} wait beside an idle connection: {self!r}"
        assert not any(waiter.state is HANDED for waiter in self.waiters), self
        assert not (self.shut and (idle or waiting)), self

    def stow(self, entry: Entry) -> None:
        """`put_back` where nobody waits."""
        if self.lifo:
            self.idle.appendleft(entry)
        else:
            self.idle.append(entry)

    def _must_be_leased(self, entry: Entry) -> None:
        if self.open.get(id(entry.connection)) is not entry:
            raise AssertionError(f"{entry} is not open")
        if self.shut:
            raise AssertionError("nothing goes back to a pool that is shut")

    def __repr__(self) -> str:
        return (
            f"<size {self.size}, open {len(self.open)}, in use {self.in_use}, "
            f"idle {len(self.idle)}, opening {self.opening}, closing {self.closing}, "
            f"waiting {self.waiting}>"
        )
