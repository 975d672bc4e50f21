"""How does a person read a patch? Its header, then its change as a unified diff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upstream.header import render_header
from upstream.patch import Patch
from upstream.rcs import matcher, split_lines

_CONTEXT = 3


@dataclass(frozen=True)
class Palette:
    """The escape sequences around the kinds of lines; all empty for plain text."""

    title: str = ""
    place: str = ""
    removed: str = ""
    added: str = ""
    end: str = ""


PLAIN = Palette()
COLOURED = Palette("\x1b[1m", "\x1b[36m", "\x1b[31m", "\x1b[32m", "\x1b[0m")


def rendered(patch: Patch, before: str, after: str, palette: Palette = PLAIN) -> Iterator[str]:
    """Yield the lines of `patch`, header and diff, as they are printed."""
    yield f"{palette.title}{patch.file}{palette.end}"
    yield from render_header(patch.header).splitlines()
    yield ""
    yield from unified(before, after, palette)
    yield ""


def unified(
    before: str, after: str, palette: Palette = PLAIN, file: str = "pool.py"
) -> Iterator[str]:
    """Yield the lines of the unified diff between two texts of `file`."""
    old, new = split_lines(before, "before"), split_lines(after, "after")
    yield f"{palette.title}--- a/{file}{palette.end}"
    yield f"{palette.title}+++ b/{file}{palette.end}"
    for group in matcher(old, new).get_grouped_opcodes(_CONTEXT):
        i1, i2, j1, j2 = group[0][1], group[-1][2], group[0][3], group[-1][4]
        place = f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@"
        yield f"{palette.place}{place}{palette.end}"
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                yield from (f" {line}" for line in old[a1:a2])
                continue
            yield from (f"{palette.removed}-{line}{palette.end}" for line in old[a1:a2])
            yield from (f"{palette.added}+{line}{palette.end}" for line in new[b1:b2])


def _range(start: int, stop: int) -> str:
    """Return a range of lines as unified diffs write it; an empty one names the line before it."""
    length = stop - start
    first = start + 1 if length else start
    return f"{first}" if length == 1 else f"{first},{length}"
