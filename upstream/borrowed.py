"""Does this tree hold any of upstream's text?

Upstream's text stays in upstream's archive. A file here borrows when one of its lines, of two or
more words, is a line of upstream's with other white space, or when twelve of its tokens in a row
are upstream's, however they are broken into lines. A token is a word, a number or a single
punctuation mark, in code and prose alike.

Findings name files and lines, never the text.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upstream.archive import Archive

RUN = 12

# What every program of the kind says in these very words: imports, and the interface's own lines.
STOCK_LINES = frozenset(
    {
        "from collections import deque",
        "from contextlib import contextmanager",
        "from functools import wraps",
        "from gevent import socket",
        "from geventconnpool import ConnectionPool",
        "from geventconnpool import retry",
        "import gevent",
        "import logging",
        "raise NotImplementedError",
        "while True:",
        "with pool.get() as c:",
    }
)

# The standard text of the MIT licence, which both projects are under: our file, upstream's member.
STANDARD_TEXTS = {"LICENSE": "LICENSE"}

# What tools made, in a tree that git does not know: an unpacked sdist, perhaps built in place.
_MADE = frozenset(
    {".git", ".venv", ".hypothesis", "htmlcov", "build", "dist", "built", "__pycache__"}
)
_MADE_FILES = ("geventconnpool_gov/pool.py", "PKG-INFO")

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Finding:
    """Borrowed text: where it stands here, and where it stands in upstream's archive."""

    file: str
    line: int
    member: str
    member_line: int
    what: str

    def __str__(self) -> str:
        """Return one line for a report."""
        here = f"{self.file}:{self.line}"
        return f"{here}: {self.what} equal to upstream's {self.member}:{self.member_line}"


@dataclass(frozen=True)
class Original:
    """One text of upstream's, indexed by its lines and by its runs of tokens."""

    lines: Mapping[str, int] = field(repr=False)
    runs: Mapping[tuple[str, ...], int] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Original:
        """Index `text`."""
        lines = {folded: number for number, folded in _long_lines(text)}
        words, numbers = _tokens(text)
        runs = {words[i : i + RUN]: numbers[i] for i in range(len(words) - RUN + 1)}
        return cls(lines, runs)


def originals(archive: Archive) -> dict[str, Original]:
    """Index what upstream's authors wrote: every text of the archive but setuptools' own."""
    return {
        name: Original.of(archive.read(name).decode("utf-8"))
        for name in archive.names()
        if name not in ("PKG-INFO", "setup.cfg") and ".egg-info/" not in name
    }


def borrowed(root: Path, archive: Archive) -> list[Finding]:
    """Return what the files under `root` hold of upstream's text."""
    members = originals(archive)
    findings: list[Finding] = []
    for file in files(root):
        name = file.relative_to(root).as_posix()
        if file.name.endswith((".tar.gz", ".pyc")):
            continue
        text = file.read_text("utf-8", errors="replace")
        findings += borrowed_text(name, text, members)
    return findings


def borrowed_text(name: str, text: str, members: Mapping[str, Original]) -> Iterator[Finding]:
    """Yield what `text`, the content of the file `name`, holds of upstream's."""
    compared = {key: value for key, value in members.items() if key != STANDARD_TEXTS.get(name)}
    words, numbers = _tokens(text)
    for member, original in compared.items():
        for number, folded in _long_lines(text):
            if folded in original.lines and folded not in STOCK_LINES:
                yield Finding(name, number, member, original.lines[folded], "a line")
        last = -RUN
        for start in range(len(words) - RUN + 1):
            theirs = original.runs.get(words[start : start + RUN])
            if theirs is not None:
                if start > last + 1:
                    yield Finding(name, numbers[start], member, theirs, f"{RUN} or more tokens")
                last = start


def files(root: Path) -> Iterable[Path]:
    """Return the files that git knows or would add; outside git, those that no tool made."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
        named = {root / name for name in listed.stdout.split("\0") if name}
        return sorted(file for file in named if file.is_file())
    return [file for file in sorted(root.rglob("*")) if file.is_file() and not _made(file, root)]


def _made(file: Path, root: Path) -> bool:
    path = file.relative_to(root)
    made = any(part in _MADE or part.endswith((".egg-info", "_cache")) for part in path.parts)
    return made or path.as_posix() in _MADE_FILES


def _long_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and folded text of each line that has two or more words."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if len(words) > 1:
            yield number, " ".join(words)


def _tokens(text: str) -> tuple[tuple[str, ...], list[int]]:
    words: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        # Left out on both sides: three imports in a row are nobody's text either.
        found = [] if " ".join(line.split()) in STOCK_LINES else _TOKEN.findall(line)
        words += found
        numbers += [number] * len(found)
    return tuple(words), numbers
