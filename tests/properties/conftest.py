"""What a run tells about its reach: how many schedules, programs and combinations it went through.

A test says so by ``record_property("schedules: …", count)``, or of another kind; counts with the
same text are added up.
"""

from __future__ import annotations

from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for text, count in report.user_properties:
            counts[text] += count
    if counts:
        terminalreporter.section("explored")
        for text, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>10,} {text}")
        terminalreporter.write_line(f"{counts.total():>10,} in all")
