"""What was seen in a run, and what of it is broken?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from geventconnpool_gov import PoolStats
from soak.book import Book
from soak.readings import Reading
from soak.tally import Tally

_COUNTS = ("opened", "connect_errors", "checks", "keepalives", "keepalive_failures", "leaks")


@dataclass
class Record:
    """What was seen so far. `base` is what the process held before it had pools."""

    tally: Tally
    base: Reading
    began: float = field(default_factory=monotonic)
    rests: list[tuple[float, Reading]] = field(default_factory=list)  # with minutes since the start
    settled: list[float] = field(default_factory=list)  # seconds that each rest took to be one
    broken: list[str] = field(default_factory=list)
    most: Counter[str] = field(default_factory=Counter)  # the highest of what was sampled
    lag: float = 0.0  # seconds, the longest that the event loop was late
    faults: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)  # seconds that a caller waited, by pool
    rounds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, Counter[str]] = field(default_factory=dict)  # outcomes, by pool
    connections: dict[str, Counter[str]] = field(default_factory=dict)  # opened and closed, by pool

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.began

    def note(self, broken: list[str]) -> None:
        """Say what is broken, with the time."""
        self.broken += [f"{self.elapsed:.1f} s: {each}" for each in broken]

    def highest(self, what: str, count: int) -> None:
        """Keep the highest of a figure."""
        self.most[what] = max(self.most[what], count)

    def add(self, kind: str, book: Book, stats: PoolStats | None) -> None:
        """Add up a pool that has ended; `stats` is None where nobody could ask it any more."""
        self.longest[kind] = max(self.longest.get(kind, 0.0), book.longest)
        self.rounds[kind] = max(self.rounds.get(kind, 0.0), book.rounds)
        self.calls.setdefault(kind, Counter()).update(book.outcomes)
        connections = self.connections.setdefault(kind, Counter())
        if stats is not None:
            connections.update({name: getattr(stats, name) for name in _COUNTS}, **stats.closed)
