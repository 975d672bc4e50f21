"""How does the demo look where there is no terminal? One line a second, and one for each event."""

from __future__ import annotations

from collections.abc import Callable

from .checks import Check
from .show import Moment, Options
from .tally import quantile

__all__ = ["Lines", "introduction"]


def introduction(options: Options) -> list[str]:
    """Return what a newcomer should know before it begins: a title, then sentences."""
    clients, size = f"{options.clients} clients", f"{options.size} EPP sessions"
    return [
        f"geventconnpool_gov: {clients}, {size}, and a registry that misbehaves",
        f"For {options.seconds:g} seconds, {clients} share {size} through one pool.",
        "The registry, a process of its own behind TLS 1.3, drops connections, logs sessions out,",
        "garbles replies and restarts; clients are killed and time out in the middle of commands.",
        "In the end: did anybody get another's reply? Is a session missing? Is a call unanswered?",
    ]


class Lines:
    """Plain lines, by `write`."""

    every = 1.0

    def __init__(self, options: Options, write: Callable[[str], object] = print) -> None:
        self._write = write
        self._answered = self._waits = self._events = 0
        for line in introduction(options):
            write(line)

    def show(self, moment: Moment) -> None:
        """Write the events since the last moment, and one line of figures."""
        self._write_events(moment)
        tally, stats = moment.tally, moment.stats
        answered, waits = tally.answered - self._answered, tally.waits[self._waits :]
        self._answered, self._waits = tally.answered, len(tally.waits)
        median, longest = quantile(waits, 0.5) * 1000, max(waits, default=0.0) * 1000
        self._write(
            f"{moment.elapsed:4.0f} s  {answered:5,} answered"
            f"  sessions: {stats.in_use:2} in use {stats.idle:2} idle {stats.opening:2} opening"
            f"  {stats.waiting:2} waiting  wait: {median:3.0f} ms, longest {longest:4.0f} ms"
            f"  closed {sum(stats.closed.values()):3}"
        )

    def conclude(self, results: list[Check], moment: Moment) -> None:
        """Write the figures of the whole and the verdict on each promise."""
        self._write_events(moment)
        for line in summary(moment):
            self._write(line)
        for result in results:
            self._write(
                f"{'kept  ' if result.kept else 'BROKEN'}  {result.promise}: {result.figures}"
            )

    def _write_events(self, moment: Moment) -> None:
        for event in moment.tally.events[self._events :]:
            self._write(f"        {event}")
        self._events = len(moment.tally.events)


def summary(moment: Moment) -> list[str]:
    """Return the figures of the whole, in two lines."""
    tally, stats = moment.tally, moment.stats
    rate = tally.answered / moment.elapsed
    median, late = quantile(tally.waits, 0.5) * 1000, quantile(tally.waits, 0.99) * 1000
    longest = max(tally.waits, default=0.0) * 1000
    waited = f"{median:.1f} ms (median), {late:.0f} ms (99 %), {longest:.0f} ms at most"
    opened = f"{stats.opened} sessions opened, {stats.connect_errors} connects failed"
    reasons = ", ".join(f"{number} {why}" for why, number in stats.closed.items() if number)
    return [
        f"{rate:,.0f} commands a second; a caller waited {waited} for a session",
        f"{opened}; closed: {reasons or 'none'}",
    ]
