"""What happened so far? Counted by the clients, read by the views and the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Tally", "quantile"]


@dataclass
class Tally:
    """Every call ends in exactly one of these counts; `begun` is all of them, once it is over."""

    begun: int = 0
    answered: int = 0  #: with a reply that is proven to be the caller's own
    timed_out: int = 0  #: interrupted by the client's own `gevent.Timeout`
    killed: int = 0  #: interrupted by a kill of the client
    strangers: list[str] = field(default_factory=list)  #: got a reply to another's command
    unanswered: list[str] = field(default_factory=list)  #: ended in an error
    retried: int = 0  #: times that a command was sent again on another session
    waits: list[float] = field(default_factory=list)  #: seconds that each borrow waited
    events: list[str] = field(default_factory=list)  #: what went wrong, in words

    @property
    def interrupted(self) -> int:
        """Calls that the client itself did not live to see answered."""
        return self.timed_out + self.killed

    @property
    def ended(self) -> int:
        """Calls that are over, whatever their end."""
        return self.answered + self.interrupted + len(self.strangers) + len(self.unanswered)


def quantile(values: list[float], part: float) -> float:
    """Return the value below which `part` of the values lie; 0 where there are none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
