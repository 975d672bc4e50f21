"""How long after a failed connect is the next one tried?

A random time between nothing and a ceiling that doubles with each failure: exponential backoff
with full jitter, so that the workers of a fleet do not come back in step. While a caller waits, no
longer than two seconds: an outage that is over must not outlast the patience of those who came
during it. After a refusal, which the peer meant, never sooner than half the ceiling.

Pure state; the clock's reading is an argument.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]

FIRST_CEILING = 0.1  # after one failure, seconds
FIRST_CEILING_OF_A_REFUSAL = 1.0
LONGEST_CEILING = 30.0
PATIENCE = 2.0  # while a caller waits


class Backoff:
    """The failures of one pool's connects since the last success."""

    __slots__ = ("_failed_at", "_next_at", "failures", "fatal", "last_error")

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self.last_error: BaseException | None = None  # of all time
        self.fatal: BaseException | None = None  # the last failure, where it was a refusal
        self._failed_at = self._next_at = 0.0

    def failed(self, error: BaseException | None, now: float, *, refused: bool = False) -> float:
        """Note a failure; the seconds until the next attempt."""
        self.failures += 1
        if error is not None:
            self.last_error = _without_frames(error)
        self.fatal = error if refused else None
        first = FIRST_CEILING_OF_A_REFUSAL if refused else FIRST_CEILING
        ceiling = min(LONGEST_CEILING, first * 2.0 ** min(self.failures - 1, 30))
        delay = random.uniform(ceiling / 2 if refused else 0.0, ceiling)
        self._failed_at, self._next_at = now, now + delay
        return delay

    def succeeded(self) -> int:
        """Note a success; how many failures it ends."""
        ended, self.failures, self.fatal = self.failures, 0, None
        return ended

    def due(self, *, somebody_waits: bool) -> float:
        """When the next attempt may begin, on the clock; long ago where nothing failed."""
        if not self.failures:
            return 0.0
        if somebody_waits and self.fatal is None:
            return min(self._next_at, self._failed_at + PATIENCE)
        return self._next_at


def _without_frames(error: BaseException) -> BaseException:
    """The error without its frames: kept for later, they would keep sockets open."""
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            links += (link.__cause__, link.__context__)
    return error
