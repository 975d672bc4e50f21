"""How are many durations kept in little memory, so that percentiles can be told?

Counted in buckets whose limits grow by a quarter each time: the ten preferred numbers of a decade
(ISO 3, series R10), from a tenth of a millisecond to a thousand seconds. Seventy-odd counts,
however many durations; a percentile is off by less than 30 % of its value.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

__all__ = ["BOUNDS", "Histogram", "Recorder"]

_R10 = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)

#: The upper limits of the buckets, in seconds; one more bucket takes what is longer.
BOUNDS = (*(float(f"{step}e{decade}") for decade in range(-4, 3) for step in _R10), 1000.0)


@dataclass(frozen=True)
class Histogram:
    """Durations, in seconds, since the pool was made."""

    count: int  #: how many
    sum: float  #: all of them together
    max: float  #: the longest; 0 where there is none
    counts: tuple[int, ...]  #: how many in each bucket: one for each of `BOUNDS`, and one above

    @property
    def mean(self) -> float:
        """The average; 0 where there is none."""
        return self.sum / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The duration that `percent` of all do not exceed, to within 30 %; 0 for none.

        Below a tenth of a millisecond, and above 1,000 s, it is a guess between the limits.

        Raises:
            ValueError: `percent` is not from 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percent must be from 0 to 100, got {percent!r}")
        rank, before = self.count * percent / 100, 0
        for index, count in enumerate(self.counts):
            if count and before + count >= rank:
                low = BOUNDS[index - 1] if index else 0.0
                high = min(BOUNDS[index], self.max) if index < len(BOUNDS) else self.max
                return low + max(0.0, high - low) * (rank - before) / count
            before += count
        return 0.0

    def cumulative(self, bounds: Sequence[float] = BOUNDS) -> list[tuple[float, int]]:
        """For each of these bounds, some of `BOUNDS`, how many durations do not exceed it."""
        up_to = dict(zip(BOUNDS, accumulate(self.counts), strict=False))
        return [(bound, up_to[bound]) for bound in bounds]

    def as_dict(self) -> dict[str, Any]:
        """Count, sum, mean, maximum and the usual percentiles."""
        usual = {f"p{percent}": self.percentile(percent) for percent in (50, 90, 95, 99)}
        return {"count": self.count, "sum": self.sum, "mean": self.mean, **usual, "max": self.max}

    def __str__(self) -> str:
        values = self.as_dict()
        return f"{values.pop('count')} times, " + ", ".join(
            f"{name} {value:.3g} s" for name, value in values.items()
        )


class Recorder:
    """What a histogram is counted in."""

    __slots__ = ("counts", "listener", "longest", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = self.longest = 0.0
        self.listener: Callable[[float], object] | None = None  # told of each; must not raise

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        if seconds > self.longest:
            self.longest = seconds
        if self.listener is not None:
            self.listener(seconds)

    def snapshot(self, *, at_once: int = 0) -> Histogram:
        """The histogram now, with so many more that took no time."""
        counts = (self.counts[0] + at_once, *self.counts[1:])
        return Histogram(sum(counts), self.total, self.longest, counts)
