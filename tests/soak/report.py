"""What came out? The figures of a run, as JSON and as a table."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import gevent

from soak import watches
from soak.readings import Reading
from soak.record import Record


def figures(record: Record, seed: int) -> dict[str, Any]:
    """Return all figures, ready for JSON."""
    tally = record.tally
    judged = watches.warmed_up(record.rests)
    return {
        "python": platform.python_version(),
        "gevent": gevent.__version__,
        "seed": seed,
        "minutes": round(record.elapsed / 60, 2),
        "broken": record.broken,
        "calls": tally.begun,
        "right replies": tally.right,
        "calls that failed, by cause": _sorted(tally.failed),
        "faults, by kind": _sorted(record.faults),
        "requests, by pool and outcome": {
            kind: _sorted(outcomes) for kind, outcomes in record.calls.items()
        },
        "connections, by pool": {
            kind: _sorted(counts) for kind, counts in record.connections.items()
        },
        "longest wait, seconds": _rounded(record.longest, 2),
        "rounds that overtook somebody": _rounded(record.rounds, 2),
        "the loop was late by, seconds": round(record.lag, 2),
        "seconds until a rest was in order": [round(each, 1) for each in record.settled],
        "highest under load": _sorted(record.most),
        "warnings logged": tally.warnings_logged,
        "at first": _reading(record.base),
        "rests": [{"minute": round(at, 2), **_reading(each)} for at, each in record.rests],
        "memory, MiB a minute": round(watches.slope([(at, x.memory) for at, x in judged]), 3),
        "objects a minute": round(watches.slope([(at, x.objects) for at, x in judged]), 1),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as lines for people: of the rests, the first and the last."""
    lines = []
    for what, value in figures.items():
        if what == "rests":
            ends = value[:1] + value[1:][-1:]
            lines += [f"{'a rest, the first and the last':34} {_inline(each)}" for each in ends]
        elif what == "broken":
            lines += [f"{'BROKEN':34} {each}" for each in value]
        elif isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()):
            lines += [f"{f'{what}: {kind}':34} {_inline(each)}" for kind, each in value.items()]
        else:
            lines.append(f"{what:34} {_inline(value)}")
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_inline(each)}" for name, each in value.items() if each)
    if isinstance(value, list):
        return " ".join(map(_inline, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _reading(reading: Reading) -> dict[str, float]:
    return _rounded(asdict(reading), 1)


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
