"""What does the account hold: connections, and callers who wait for one?

Records without behaviour; `ledger` moves them, and says what is legal.
"""

from __future__ import annotations

from math import inf
from typing import Any

__all__ = [
    "DEAD",
    "DISCARDED",
    "HANDED",
    "INHERITED",
    "RENOUNCED",
    "RETIRED",
    "WAITING",
    "Entry",
    "Waiter",
]

# What a waiter's slot is.
WAITING, HANDED, DEAD = "waiting", "handed", "dead"
# What was decided about an entry while somebody held it.
DISCARDED = "discarded"  # to be closed when its lease ends
RETIRED = "retired"  # being closed already, lease or not
RENOUNCED = "renounced"  # no longer in the account; to be closed when its lease ends
INHERITED = "inherited"  # another process's: never to be written to


class Entry:
    """One open connection and what the pool knows of it."""

    __slots__ = (
        "__weakref__",
        "connection",
        "ending",
        "expires_at",
        "fate",
        "guard",
        "idle_since",
        "leaked",
        "lent",
        "lent_at",
        "plain",
        "proved_at",
        "quick",
        "serial",
        "simple",
    )

    def __init__(self, connection: Any, serial: int = 0) -> None:
        self.connection = connection
        self.serial = serial
        self.guard: Any = None  # watches the socket below the connection, where there is one
        self.plain = False  # may be lent without a look at it; see `metering`
        self.simple = False  # may go back to idle without a look at it
        self.quick = False  # the lease it is out on, if it is out, began without a look at it
        self.fate: str | None = None  # what becomes of it, where that is decided
        self.lent = False  # somebody has used it since it was opened
        self.lent_at = 0.0  # when whoever has it got it, on the pool's clock
        self.leaked = False  # whoever has it has been warned about
        self.idle_since = 0.0  # when somebody last gave it back
        self.proved_at = 0.0  # when it last proved alive: by use, or by a probe
        self.expires_at = inf  # when its lifetime ends
        self.ending = "max_lifetime"  # why it ends then

    def __repr__(self) -> str:
        return f"<connection {self.serial}>"


class Waiter:
    """A caller in the queue: a slot that a connection or an error can be put into.

    `greenlet` is opaque here: whom to wake. It is None once the caller no longer waits, so that a
    wake that is already on its way finds nobody.
    """

    __slots__ = ("entry", "error", "expired", "greenlet", "state")

    def __init__(self, greenlet: Any) -> None:
        self.greenlet = greenlet
        self.state = WAITING
        self.expired = False  # its time is up, and it has not been handed anything
        self.entry: Entry | None = None
        self.error: BaseException | None = None
