"""What does COMPATIBILITY.md look like, and what does one that was written say?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matrix.combinations import COMPILED, Combination
from matrix.run import Outcome
from matrix.suite import LEFT_OUT

_HEAD = """\
# Compatibility

Which tests pass with which gevent, on which CPython. `make matrix` writes this page; edit nothing
here. Each place of the table is a run of the test suite in an environment of its own, with gevent
from a wheel of the package index. Not run here, since it tells nothing about a gevent:

{left_out}

`make test` runs those, too. Skipped are tests that need epplib, which is on no package index, and
on libuv one about `gevent.wait()`, which idle sockets hold up there, whoever watches them.

Run on {machine}, with {pythons}.
"""
_NONE = "None."


@dataclass(frozen=True)
class Cell:
    """One place of the page's tables: what was run, what it says, and the day."""

    gevent: str
    minor: str
    kind: str
    text: str
    on: str = ""


@dataclass(frozen=True)
class Page:
    """What the page says."""

    machine: str
    pythons: tuple[str, ...]  # whole versions
    cells: tuple[Cell, ...]
    failures: tuple[str, ...]
    left_out: tuple[str, ...]


def page_of(outcomes: Sequence[Outcome], machine: str) -> Page:
    """Return the page that tells of `outcomes`."""
    pythons = dict.fromkeys(outcome.combination.python.full for outcome in outcomes)
    failures = [
        f"{outcome.combination}: `{name}`{_because(outcome.combination)}"
        for outcome in outcomes
        if outcome.result is not None
        for name in outcome.result.failures
    ]
    left_out = [f"{each.combination}: {each.left_out}" for each in outcomes if each.left_out]
    return Page(
        machine, tuple(pythons), tuple(map(_cell, outcomes)), tuple(failures), tuple(left_out)
    )


def write(page: Page) -> str:
    """Return the page's text."""
    head = _HEAD.format(
        left_out="\n".join(f"- `{path}`: {why}" for path, why in LEFT_OUT.items()),
        machine=page.machine,
        pythons=", ".join(f"CPython {version}" for version in page.pythons),
    )
    minors = [version.rpartition(".")[0] for version in page.pythons]
    return "\n".join(
        [
            head,
            *_table(["gevent", *(f"CPython {minor}" for minor in minors), "on"], _grid(page)),
            "\n## Other ways to run gevent\n",
            *_table(["gevent", "CPython", "how", "result", "on"], _others(page)),
            "\n## Failures\n",
            *([f"- {line}" for line in page.failures] or [_NONE]),
            "\n## Left out\n",
            *([f"- {line}" for line in page.left_out] or [_NONE]),
            "",
        ]
    )


def read(text: str) -> Page:
    """Return what a page says that `write` has written.

    Raises:
        ValueError: it was not written by `write`.
    """
    ran = re.search(r"^Run on (.+), with (CPython .+)\.$", text, re.MULTILINE)
    parts = re.split(r"^## .+\n", text, flags=re.MULTILINE)
    if ran is None or len(parts) != 4:
        raise ValueError("no page of compatibility")
    pythons = tuple(ran[2].removeprefix("CPython ").split(", CPython "))
    minors = [version.rpartition(".")[0] for version in pythons]
    cells: list[Cell] = []
    for gevent, *texts, on in _rows(parts[0]):
        for minor, said in zip(minors, texts, strict=True):
            cells.append(Cell(gevent, minor, COMPILED.name, said, on))
    for gevent, minor, kind, said, on in _rows(parts[1]):
        cells.append(Cell(gevent, minor, kind, said, on))
    failures, left_out = (
        tuple(line[2:] for line in part.splitlines() if line.startswith("- ")) for part in parts[2:]
    )
    return Page(ran[1], pythons, tuple(cells), failures, left_out)


def _because(combination: Combination) -> str:
    return f", since {combination.fault}" if combination.fault else ""


def _cell(outcome: Outcome) -> Cell:
    combination: Combination = outcome.combination
    place = (combination.gevent, combination.python.minor, combination.kind.name)
    if outcome.result is not None:
        return Cell(*place, str(outcome.result), outcome.result.on)
    return Cell(*place, "no wheel" if outcome.no_wheel else "left out")


def _grid(page: Page) -> Iterator[list[str]]:
    rows: dict[str, list[Cell]] = {}
    for cell in page.cells:
        if cell.kind == COMPILED.name:
            rows.setdefault(cell.gevent, []).append(cell)
    for gevent, cells in rows.items():
        yield [gevent, *(cell.text for cell in cells), min(filter(None, _days(cells)), default="")]


def _others(page: Page) -> Iterator[list[str]]:
    for cell in page.cells:
        if cell.kind != COMPILED.name:
            yield [cell.gevent, cell.minor, cell.kind, cell.text, cell.on]


def _days(cells: Sequence[Cell]) -> Iterator[str]:
    return (cell.on for cell in cells)


def _table(titles: Sequence[str], rows: Iterator[list[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _rows(text: str) -> Iterator[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [part.strip() for part in line.strip("|").split("|")]
