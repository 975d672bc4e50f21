"""One borrow: enter, use, leave.

`with pool.get() as connection:` runs `__enter__` and `__exit__` here, and nothing else in the
common case: an idle connection, nobody waiting, a normal end. Everything that is not the common
case is in `borrowing`. The two paths cost about twice what a bare semaphore and deque cost; see
benchmarks/ before adding a line.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from gevent.monkey import get_original

from .borrowing import borrow, inspect, refuse, settle
from .core import Core
from .ledger import Entry

__all__ = ["Lease"]

# Monkey-patched, `get_ident` names the greenlet. This is about the thread whose hub it is.
_get_ident = get_original("_thread", "get_ident")


class Lease:
    """A context manager that lends a connection; `pool.get()` makes one for each call.

    `timeout` is how long entering may wait, in seconds; `None` is for ever.
    """

    # No __init__: `pool.get` fills the slots, which is cheaper than a call.
    __slots__ = ("core", "entry", "pool", "timeout")

    pool: object  # held for as long as the lease lives
    core: Core
    entry: Entry | None
    timeout: float | None

    def __enter__(self) -> Any:
        core = self.core
        if core.home != _get_ident() or self.entry is not None:
            refuse(core, self.entry)
        try:
            # Whoever waits is served before anything becomes idle, so nobody is overtaken here.
            entry = core.idle.popleft()
        except IndexError:
            entry = None
        if entry is None:
            entry = borrow(core, self.timeout)
        else:
            core.requests += 1
            if not entry.plain:
                entry = inspect(core, entry, self.timeout)
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
        core = self.core
        if kind is None and entry.plain and not core.waiters:
            core.idle.append(entry)
        else:
            settle(core, entry, kind)
