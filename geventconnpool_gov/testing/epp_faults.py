"""In which ways does the test registry misbehave, and when? The faults that were ordered.

Some last until they are called off; the others spoil the next replies, one each. Only this module
knows the faults' names; the server asks it before it answers.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

__all__ = ["Faults", "Spoiled"]

_SPOILERS = frozenset(
    {
        *("truncate", "garbage", "oversize", "empty", "foreign_cltrid", "silence"),
        *("unreadable", "result"),
    }
)


@dataclass(frozen=True)
class Spoiled:
    """One reply to spoil: how, with which result code, and whether to one command alone."""

    kind: str
    code: int = 2400
    command: str | None = None


@dataclass
class Faults:
    """The faults in force. Times are seconds."""

    delay: float = 0.0
    spread: float = 0.0
    refuse_login: int | None = None
    black_hole: bool = False
    turn_away: int = 0  # so many of the next connections
    logged_out_reason: str = "Registrar is not logged in"  # what a reply 2002 adds
    spoiled: deque[Spoiled] = field(default_factory=deque)

    def order(
        self, kind: str, *, count: int = 1, code: int = 2400, command: str | None = None
    ) -> None:
        """Spoil the next `count` replies, or the next ones to `command`.

        Without `command`, replies to login and logout are spared: pools send those by themselves.
        """
        if kind not in _SPOILERS:
            raise ValueError(f"unknown fault {kind!r}")
        self.spoiled.extend([Spoiled(kind, code, command)] * count)

    def next_for(self, command: str) -> Spoiled | None:
        """Take out the first order that applies to a reply to `command`."""
        for spoiled in self.spoiled:
            wanted = spoiled.command
            if wanted == command or (wanted is None and command not in ("login", "logout")):
                self.spoiled.remove(spoiled)
                return spoiled
        return None

    def pause(self) -> float:
        """Return how long to wait before the next reply."""
        return self.delay + (random.uniform(0, self.spread) if self.spread else 0.0)
