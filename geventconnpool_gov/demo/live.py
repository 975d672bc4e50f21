"""How does the demo look in a terminal? A page of figures, drawn anew ten times a second."""

from __future__ import annotations

from collections import deque

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .checks import Check
from .lines import introduction, summary
from .show import Moment, Options
from .tally import quantile

__all__ = ["LiveView"]

_BARS = " ▁▂▃▄▅▆▇█"
_EVENTS = 7
_WIDTH = 36
_REASONS = {
    "broken": "broken in use",
    "interrupted": "user interrupted",
    "discarded": "ended by a reply",
    "peer_closed": "found closed",
}


class LiveView:
    """The live page; a context manager, so that the terminal is itself again afterwards."""

    every = 0.1

    def __init__(self, options: Options, console: Console | None = None) -> None:
        self._console = console or Console()
        title, *sentences = introduction(options)
        self._console.print(Text(title, "bold"))
        for sentence in sentences:
            self._console.print(f"  {sentence}", style="dim", highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._history: deque[tuple[float, int, int]] = deque(maxlen=11)
        self._rates: deque[float] = deque(maxlen=_WIDTH)
        self._stamps: dict[int, float] = {}

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Draw one moment."""
        for number in range(len(self._stamps), len(moment.tally.events)):
            self._stamps[number] = moment.elapsed
        self._history.append((moment.elapsed, moment.tally.answered, len(moment.tally.waits)))
        self._live.update(self._page(moment), refresh=True)

    def conclude(self, results: list[Check], moment: Moment) -> None:
        """Leave the verdict on the screen."""
        self._live.stop()
        for line in summary(moment):
            self._console.print(f"  {line}", highlight=False)
        for result in results:
            mark = Text(
                " ✔ " if result.kept else " ✘ ", "bold green" if result.kept else "bold red"
            )
            self._console.print(mark + Text(result.promise, "bold"))
            self._console.print(f"   {result.figures}", highlight=False)

    def _page(self, moment: Moment) -> RenderableType:
        left = moment.options.seconds - moment.elapsed
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", style="bold")
        grid.add_column()
        grid.add_row("sessions", self._sessions(moment))
        grid.add_row("waiting", self._waiting(moment))
        grid.add_row("commands/s", self._commands(moment))
        grid.add_row("a caller waits", self._wait_times(moment))
        grid.add_row("calls", self._calls(moment))
        grid.add_row("closed", self._closed(moment))
        return Group(
            Panel(grid, title=f"[bold]{max(0.0, left):.0f} s to go", title_align="left"),
            Panel(self._events(moment), title="[bold]what went wrong", title_align="left"),
        )

    def _sessions(self, moment: Moment) -> Text:
        stats = moment.stats
        missing = max(0, stats.size - stats.open - stats.opening)
        text = Text()
        space = " " if stats.size <= _WIDTH // 2 else ""
        text.append(f"■{space}" * stats.in_use, "green").append(f"■{space}" * stats.idle, "blue")
        text.append(f"◌{space}" * stats.opening, "yellow").append(f"·{space}" * missing, "red")
        text.append(f"  {stats.in_use} in use", "green").append(f"  {stats.idle} idle", "blue")
        return text.append(f"  {stats.opening} opening", "yellow")

    def _waiting(self, moment: Moment) -> Text:
        waiting, clients = moment.stats.waiting, moment.options.clients
        bar = "▪" * -(-waiting * _WIDTH // clients)
        return Text(f"{waiting:5} of {clients} clients ") + Text(bar, "yellow")

    def _commands(self, moment: Moment) -> Text:
        (before, answered_before, _), (now, answered, _) = self._history[0], self._history[-1]
        rate = (answered - answered_before) / (now - before) if now > before else 0.0
        self._rates.append(rate)
        highest = max(self._rates) or 1.0
        bars = "".join(_BARS[int(rate / highest * (len(_BARS) - 1))] for rate in self._rates)
        return Text(f"{rate:5,.0f} ") + Text(bars, "green")

    def _wait_times(self, moment: Moment) -> Text:
        waits = moment.tally.waits[self._history[0][2] :]
        median, late = quantile(waits, 0.5) * 1000, quantile(waits, 0.99) * 1000
        longest = max(waits, default=0.0) * 1000
        return Text(f"{median:.1f} ms (median)  {late:.0f} ms (99 %)  {longest:.0f} ms (longest)")

    def _calls(self, moment: Moment) -> Text:
        tally = moment.tally
        text = Text(f"{tally.answered:,} answered", "green")
        text.append(f"  {tally.timed_out} timed out  {tally.killed} killed", "yellow")
        text.append(f"  {tally.retried} sent again", "blue")
        wrong = len(tally.strangers) + len(tally.unanswered)
        return text.append(f"  {wrong} misled or lost", "bold red" if wrong else "dim")

    def _closed(self, moment: Moment) -> Text:
        closed = moment.stats.closed
        parts = [f"{number} {_REASONS.get(why, why)}" for why, number in closed.items() if number]
        return Text("  ".join(parts) or "none yet")

    def _events(self, moment: Moment) -> Text:
        events = moment.tally.events
        text = Text(no_wrap=True, overflow="ellipsis")
        first = max(0, len(events) - _EVENTS)
        for number in range(first, first + _EVENTS):
            if number < len(events):
                text.append(f"{self._stamps.get(number, 0.0):5.1f} s  ", "dim")
                text.append(events[number], "red" if "RESTART" in events[number] else "")
            text.append("\n" if number < first + _EVENTS - 1 else "")
        return text
