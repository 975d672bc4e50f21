"""What stands at the other end of a pool that is asked for its promises?

A peer that keeps count of its connections, and whose connects go as a test wants them to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import gevent

__all__ = ["BRIEF", "LONG", "Connection", "Peer", "soon"]

BRIEF = 0.05  # seconds: long enough for what is ready to happen
LONG = 5.0  # and far longer than a pool that works needs for anything


class Connection:
    """A connection to nowhere, which knows whether it was closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    def close(self) -> None:
        """Close it; more than once is allowed."""
        gevent.sleep(0)  # as a goodbye would
        self.closed = True

    def __repr__(self) -> str:
        return f"<connection {self.number}{', closed' if self.closed else ''}>"


class Peer:
    """Opens connections: each connect takes the next of `connects`, then each a moment.

    A number is how many seconds it takes, an exception what it raises.
    """

    def __init__(self, connects: Iterable[float | OSError] = ()) -> None:
        self.connects = list(connects)
        self.opened: list[Connection] = []
        self.most_open = 0

    def connect(self) -> Connection:
        """Open a connection."""
        step = self.connects.pop(0) if self.connects else BRIEF / 50
        if isinstance(step, OSError):
            gevent.sleep(0)
            raise step
        gevent.sleep(step)
        connection = Connection(len(self.opened) + 1)
        self.opened.append(connection)
        self.most_open = max(self.most_open, len(self.open))
        return connection

    @property
    def open(self) -> list[Connection]:
        """The connections that were opened and not closed."""
        return [connection for connection in self.opened if not connection.closed]


def soon(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds.

    Raises:
        AssertionError: it does not, after a long time; the text is `what`.
    """
    for _ in range(round(LONG / BRIEF)):
        if condition():
            return
        gevent.sleep(BRIEF)
    raise AssertionError(f"not so, after {LONG:g} s: {what}")
