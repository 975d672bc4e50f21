"""One borrow: enter, use, leave.

`with pool.get() as connection:` runs `__enter__` and `__exit__` here, and nothing else in the
common case: an idle connection that was used already since the event loop last turned (see
`metering`), nobody waiting, a normal end. Everything that is not the common case is in `borrowing`.
The common case costs about twice what a bare semaphore and deque cost; see benchmarks/ before
adding a line. That is why it finds what it needs on the pool itself, put there by `equip`, and why
it asks an RLock that the pool's thread holds for ever whether this is the thread: CPython calls
that method without a frame or an argument, unlike `get_ident`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from .borrowing import borrow, inspect, refuse, serve, settle
from .core import Core
from .entries import Entry

__all__ = ["Lease", "equip"]


def equip(pool: Any, core: Core) -> None:
    """Give the pool what a lease touches on its common way."""
    pool._core = core
    pool._lending_home = core.home
    pool._lending_idle = core.ledger.idle
    pool._lending_waiters = core.ledger.waiters
    pool._lending_brief = 0  # leases that began and ended here
    core.arrange_lending(pool)


class Lease:
    """A context manager that lends a connection; `pool.get()` makes one for each call.

    `timeout` is how long entering may wait, in seconds; `None` is for ever. The lease keeps its
    pool from being collected.
    """

    # No __init__: `pool.get` fills the slots, which is cheaper than a call.
    __slots__ = ("entry", "pool", "timeout")

    entry: Entry | None
    pool: Any
    timeout: float | None

    def __enter__(self) -> Any:
        pool = self.pool
        if not pool._lending_home._is_owned() or self.entry is not None:
            refuse(pool._core, self.entry)
        try:
            # Whoever waits is served before anything becomes idle, so nobody is overtaken here.
            entry = pool._lending_idle.popleft()
        except IndexError:
            entry = None
        if entry is None:
            entry = borrow(pool._core, self.timeout)
            if self.entry is not None:  # entered by another greenlet, while this one waited
                pool._core.give_back(entry)
                refuse(pool._core, self.entry)
        elif not entry.plain:
            entry = inspect(pool._core, entry, self.timeout)
        self.entry = entry
        return entry.connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        entry = self.entry
        if entry is None:
            return
        self.entry = None
        pool = self.pool
        if kind is None and entry.simple:
            monotonic = pool._lending_clock
            if monotonic is None:
                pool._lending_idle.append(entry)
                pool._lending_brief += 1
                if pool._lending_waiters:
                    serve(pool._core)
                return
            if monotonic() < entry.expires_at:
                pool._lending_stow(entry)
                pool._lending_brief += 1
                if pool._lending_waiters:
                    serve(pool._core)
                return
        settle(pool._core, entry, kind)
