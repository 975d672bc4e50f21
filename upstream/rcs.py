"""How is a change written so that nothing of the original text is in it?

In RCS format, as `diff --rcs` writes it:

    d<line> <count>    delete <count> lines, from <line> on
    a<line> <count>    add the <count> lines that follow, after <line>

Line numbers are those of the original text, and commands stand in rising order. A change holds
line numbers and what the fork wrote, no context and no removed lines. Every text here ends with a
line feed, and lines are divided by line feeds alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from upstream.errors import UpstreamError

_COMMAND = re.compile(r"([ad])(0|[1-9][0-9]*) ([1-9][0-9]*)")


@dataclass(frozen=True)
class Command:
    """One command, with the place in the patch file where it stands."""

    place: str
    line: int
    delete: int = 0
    add: tuple[str, ...] = ()


def split_lines(text: str, where: str) -> list[str]:
    """Return the lines of `text` without their line feeds."""
    if text and not text.endswith("\n"):
        raise UpstreamError(f"{where}: the last line has no line feed")
    return text.split("\n")[:-1]


def matcher(before: Sequence[str], after: Sequence[str]) -> difflib.SequenceMatcher[str]:
    """Return the comparison that decides what a change is; the same texts give the same change."""
    return difflib.SequenceMatcher(None, before, after, autojunk=False)


def difference(before: Sequence[str], after: Sequence[str]) -> str:
    """Return the change from one text to another, in RCS format."""
    written = []
    for kind, i1, i2, j1, j2 in matcher(before, after).get_opcodes():
        if kind != "equal" and i2 > i1:
            written.append(f"d{i1 + 1} {i2 - i1}\n")
        if kind != "equal" and j2 > j1:
            written.append(f"a{i2} {j2 - j1}\n")
            written += [f"{line}\n" for line in after[j1:j2]]
    return "".join(written)


def parse(lines: Sequence[str], file: str, first: int) -> tuple[Command, ...]:
    """Read a change; `first` is the number of its first line in `file`.

    Raises:
        UpstreamError: a line is no command, commands overlap or do not rise, added lines lack.
    """
    commands: list[Command] = []
    number, free_from, added_at = 0, 1, -1
    while number < len(lines):
        place = f"{file}:{first + number}"
        match = _COMMAND.fullmatch(lines[number])
        if not match:
            raise UpstreamError(f"{place}: expected a<line> <count>, d<line> <count> or the end")
        line, count = int(match[2]), int(match[3])
        number += 1
        if match[1] == "d":
            if line < free_from or line <= added_at:
                raise UpstreamError(f"{place}: overlaps the command before it, or precedes it")
            commands.append(Command(place, line, delete=count))
            free_from = line + count
            continue
        if line + 1 < free_from or line <= added_at:
            raise UpstreamError(f"{place}: overlaps the command before it, or precedes it")
        added = tuple(lines[number : number + count])
        if len(added) < count:
            raise UpstreamError(f"{place}: adds {count} lines, and {len(added)} follow")
        commands.append(Command(place, line, add=added))
        number += count
        free_from, added_at = line + 1, line
    return tuple(commands)


def apply(commands: Iterable[Command], before: Sequence[str]) -> list[str]:
    """Return the text that `commands` make of `before`.

    Raises:
        UpstreamError: a command names a line that `before` does not have.
    """
    after: list[str] = []
    copied = 0
    for command in commands:
        last = command.line + command.delete - 1 if command.delete else command.line
        if last > len(before):
            raise UpstreamError(
                f"{command.place}: names line {last} of a text that has {len(before)}"
            )
        keep_to = command.line - 1 if command.delete else command.line
        after += before[copied:keep_to]
        after += command.add
        copied = max(copied, keep_to + command.delete)
    return after + list(before[copied:])
