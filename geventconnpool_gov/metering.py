"""How long is a connection lent, and how can the common case be free of the question?

A lease during which the event loop did not turn took no time that anybody else could notice. So a
connection without a socket to look at is looked at once in a pass of the loop: its first lease in
a pass goes the long way and reads the clock; from its return until the loop turns, leases of it go
the common way of `lease`, which reads none, and count as taking no time. When the loop has turned,
they go the long way again; a lease that is out by then is timed from the return before it.

So every lease that waits for anything is measured, to within the pass of the loop in which it
began, and borrowing without waiting for anything costs what it did without being measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent

from . import clock
from .entries import Entry

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Meter"]


class Meter:
    """Which connections of one pool may go the common way until the loop turns."""

    __slots__ = ("_late", "_loop", "core", "light", "trusted")

    def __init__(self, core: Core) -> None:
        self.core = core
        self.light = False  # a return has nothing to do that the common way does not do
        self.trusted: list[Entry] = []
        self._late = 0  # leases that began the common way and did not end so
        self._loop: Any = None  # the one that will tell when it has turned

    def trust(self, entry: Entry) -> None:
        """Let an idle connection go the common way until the loop turns. Does not switch."""
        entry.plain = entry.simple = entry.quick = True
        self.trusted.append(entry)
        loop = gevent.get_hub().loop
        if loop is not self._loop:
            self._loop = loop
            loop.run_callback(self.turn)

    def turn(self) -> None:
        """The loop has turned: from now on all of them are looked at again."""
        self._loop = None
        trusted, self.trusted = self.trusted, []
        for entry in trusted:
            entry.plain = entry.simple = False
        self.core.upkeep.lends(clock.monotonic())

    @property
    def quick(self) -> int:
        """How many leases began the common way, which does not count them."""
        out = sum(entry.quick for entry in self.core.ledger.leased())
        return self.core.pool._lending_brief + self._late + out

    def ends(self, entry: Entry) -> None:
        """A lease ends, or its connection leaves the account, other than the common way."""
        self._late += entry.quick
        entry.quick = False

    def forget(self) -> None:
        """In a forked child: the parent's loop turns no more."""
        self.core.pool._lending_brief = self._late = 0
        self.trusted.clear()
        self._loop = None
