"""A small project of made-up text: an archive, a pin and patches, as the tools want them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from upstream.archive import Archive
from upstream.header import Header
from upstream.patch import render
from upstream.pin import sha256, write_pin
from upstream.tree import Tree

BASE = """\
import old_home

LIMIT = 3


def lend(things):
    thing = things.pop()
    return thing


def take_back(things, thing):
    things.append(thing)
"""

LICENCE = "Do what you like.\n"

_PIN = """\
# A remark that stays.
[release]
name = madeup
version = {version}
archive = madeup-{version}.tar.gz
sha256 = {archive}
author = A. Nyone
licence = MIT

[pool.py]
path = src/madeup/pool.py
sha256 = {pool}

[LICENSE]
path = LICENSE
sha256 = {licence}

[result]
sha256 = {pool}
"""


def header(**fields: str) -> Header:
    """Return a complete header; fields are named in lower case, underscores for hyphens."""
    given = {key.replace("_", "-").title(): value for key, value in fields.items()}
    return {
        "Description": "Mend a thing.\nIt was broken.\n\nA module cannot reach it.",
        "Reason": "defect",
        "Origin": "vendor",
        "Forwarded": "no",
        "Touches": "lend",
        "Tests": "tests/test_lend.py::test_a,\ntests/test_lend.py::test_b",
        "Last-Update": "2026-11-20",
        **given,
    }


def sdist(version: str, pool: str, **more: str) -> bytes:
    """Return an archive as a package index has them."""
    stream = io.BytesIO()
    members = {"src/madeup/pool.py": pool, "LICENSE": LICENCE, "setup.py": "raise SystemExit(9)\n"}
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in {**members, **more}.items():
            entry = tarfile.TarInfo(f"madeup-{version}/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


@dataclass
class Project:
    """The project under `root`, whose archive stands beside its pin."""

    root: Path
    text: str = BASE
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write a pin, its archive and an empty series."""
        for folder in ("upstream", "patches", "geventconnpool_gov"):
            (self.root / folder).mkdir(parents=True)
        content = sdist("1.0", BASE)
        pin = _PIN.format(
            version="1.0", archive=sha256(content), pool=sha256(BASE), licence=sha256(LICENCE)
        )
        self.tree.pin.write_text(pin)
        self.archive_file.write_bytes(content)
        self.write_series()

    @property
    def tree(self) -> Tree:
        """Where its files stand."""
        return Tree(self.root)

    @property
    def archive_file(self) -> Path:
        """The archive beside the pin."""
        return self.root / "upstream" / "madeup-1.0.tar.gz"

    @property
    def archive(self) -> Archive:
        """The archive."""
        return Archive(self.archive_file.read_bytes(), "the test")

    def file(self, name: str) -> Path:
        """Return the file of the patch called `name`."""
        return self.tree.patches / f"{name}.patch"

    def patch(self, name: str, edit: Callable[[str], str], **fields: str) -> None:
        """Add a patch that makes `edit`, as `export` would write it."""
        before, self.text = self.text, edit(self.text)
        self.file(name).write_text(render(header(**fields), before, self.text))
        self.names.append(name)
        self.write_series()
        write_pin(self.tree.pin, {("result", "sha256"): sha256(self.text)})

    def write_series(self) -> None:
        """Write the names in their order."""
        lines = [f"{name}.patch\n" for name in self.names]
        (self.tree.patches / "series").write_text("# the series\n\n" + "".join(lines))


def replace(old: str, new: str) -> Callable[[str], str]:
    """Return the edit that puts `new` in the place of `old`, which must be there."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit
