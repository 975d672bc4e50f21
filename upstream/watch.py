"""Is there a gevent that nobody has tried, or an upstream that nobody has read?

A gevent is new when COMPATIBILITY.md does not name it; the suite is run on each, in an environment
of its own, and its modules are compared with those of the release before. Upstream is new when its
release is not the pinned one; its code is run by nobody here.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.pin import read_pin
from upstream.releases import before_it, is_preview, newer, released, unseen
from upstream.tree import Tree


@dataclass(frozen=True)
class Trial:
    """How the suite went on a gevent: whether it passed, and what it said of that."""

    passed: bool
    said: tuple[str, ...]


@dataclass(frozen=True)
class News:
    """One release that calls for something, or for nothing yet, with the words for it."""

    lines: tuple[str, ...]
    urgent: bool = True


Try = Callable[[Tree, str], Trial]
Compare = Callable[[str, str, str], Sequence[str]]


def watch(tree: Tree, try_gevent: Try, compare: Compare) -> Iterator[News]:
    """Yield the news, one release at a time, as each is known.

    Raises:
        UpstreamError: the index cannot be asked, or COMPATIBILITY.md is not there.
    """
    pin = read_pin(tree.pin)
    for version in newer(released(pin.name), pin.version):
        yield News(
            (
                f"{pin.name} {version} is there, and {pin.version} is pinned",
                "  do: section 5 of MAINTAINING.md, with its archive",
            )
        )
    page = tree.root / "COMPATIBILITY.md"
    there = released("gevent")
    for version in unseen(there, oldest_gevent(tree), page):
        trial, before = try_gevent(tree, version), before_it(there, version)
        try:
            changed = ", ".join(compare("gevent", before, version)) or "no module"
        except UpstreamError as error:
            changed = str(error)
        yield _told(version, trial, f"changed since {before}: {changed}")


def oldest_gevent(tree: Tree) -> str:
    """Return the oldest gevent that the package's metadata allows."""
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(tree.root / "setup.cfg", "utf-8")
    (needed,) = metadata["options"]["install_requires"].split()
    return needed.removeprefix("gevent>=")


def run_suite(tree: Tree, version: str, arguments: Sequence[str] = ()) -> Trial:
    """Run the tests, or those that `arguments` name, on a gevent in an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="gevent-") as folder:
        python = Path(folder, "bin", "python")
        steps = (
            [sys.executable, "-m", "venv", folder],
            [str(python), "-m", "pip", "install", "--quiet", ".[dev]", f"gevent=={version}"],
            [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *arguments],
        )
        for step in steps:
            run = subprocess.run(step, cwd=tree.root, capture_output=True, text=True, check=False)
            if run.returncode:
                break
    lines = run.stdout.splitlines() or run.stderr.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return Trial(run.returncode == 0, (*failed, *lines[-1:]))


def _told(version: str, trial: Trial, changed: str) -> News:
    lines = [f"gevent {version} is not in COMPATIBILITY.md"]
    lines += [f"  {line}" for line in (*trial.said, changed)]
    if not trial.passed:
        lines.append("  do: read why, https://www.gevent.org/changelog.html, then")
        lines.append("      section 4 of MAINTAINING.md")
    elif is_preview(version):
        lines.append("  do: nothing yet, it is a pre-release and passes")
        return News(tuple(lines), urgent=False)
    else:
        lines.append("  do: make matrix, and commit COMPATIBILITY.md")
    return News(tuple(lines))
