"""What was counted of the callers and of what went wrong?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of the whole run. Lists hold what must never happen, so they stay short."""

    begun: int = 0  # a caller's calls, each of one or more requests
    ended: int = 0
    right: int = 0  # replies that are proven to be the caller's own
    wrong: list[str] = field(default_factory=list)  # replies that are somebody else's
    unheard_of: list[str] = field(default_factory=list)  # errors that no caller should see
    failed: Counter[str] = field(default_factory=Counter)  # calls that failed, by class of error
    trouble: Counter[str] = field(default_factory=Counter)  # what was done to pools and registry
    unheard: list[str] = field(default_factory=list)  # errors that nobody was told
    warnings_logged: int = 0
    changes: dict[str, str] = field(default_factory=dict)  # since the last rest, by name: its fate

    def judge(self, right: bool, request: str, reply: object) -> None:
        """Count one reply."""
        if right:
            self.right += 1
        else:
            self.wrong.append(f"{request} got {reply!r}")

    def reset(self) -> None:
        """Begin to count."""
        self.__dict__.update(vars(Tally()))
