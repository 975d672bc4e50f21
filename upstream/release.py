"""Is this commit fit to be released, and which files does that give?

Everything but the upload: version, changelog, tag and hashes are compared; the commit is cloned and
built twice, in two folders and with two umasks, once by way of the sdist and once without; the two
must be the same bytes; `dist/` gets them, with the bill of materials, the manifest and a list of
checksums. A rehearsal does the same before the release has its date and its clean tree.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from upstream import sbom
from upstream.check import Checked, check
from upstream.errors import UpstreamError
from upstream.facts import facts
from upstream.git import git
from upstream.manifest import NAME
from upstream.pin import sha256
from upstream.tree import Tree

_HEADING = re.compile(r"^## (?P<version>\S+) \((?P<date>[^)]+)\)$", re.MULTILINE)
_VERSION = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)


def release(tree: Tree, *, rehearsal: bool) -> Iterator[str]:
    """Do everything up to the upload, a line for each thing that held.

    Raises:
        UpstreamError: something does not fit.
    """
    checked = check(tree)
    told = facts(tree, checked.pin, checked.patches)
    version = told["version"]
    require_version(tree, version)
    yield f"version: {version}, in setup.cfg and in the package"
    yield f"changelog: {require_changelog(tree, version, rehearsal=rehearsal)}"
    yield f"commit: {require_commit(tree, version, rehearsal=rehearsal)}"
    text = sbom.make(told)
    sbom.validate(text)
    if text != sbom.require_current(tree.sbom, told):
        raise UpstreamError(f"{tree.sbom}: not as `python -m upstream sbom` writes it")
    yield f"bill of materials: {len(checked.patches)} patches on {checked.pin.archive}, valid"
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        first = _build(tree, checked, Path(name, "first"), 0o022)
        elsewhere = Path(name, "somewhere", "else")
        second = _build(tree, checked, elsewhere, 0o077, "--sdist", "--wheel")
        require_same(first, second)
        yield f"built twice, the same bytes: {', '.join(sorted(file.name for file in first))}"
        _run(sys.executable, "-m", "twine", "check", "--strict", *first)
        yield "twine check: passed"
        yield from _collect(tree, first)


def require_version(tree: Tree, version: str) -> None:
    """Accept a package that says of itself what setup.cfg says."""
    text = (tree.pool.parent / "__init__.py").read_text("utf-8")
    found = _VERSION.search(text)
    if not found or found["version"] != version:
        raise UpstreamError(
            f"setup.cfg says version {version}, geventconnpool_gov/__init__.py says "
            f"{found['version'] if found else 'none'}"
        )


def require_changelog(tree: Tree, version: str, *, rehearsal: bool) -> str:
    """Return the newest heading of the changelog, which is this version's and has its date."""
    found = _HEADING.search((tree.root / "CHANGELOG.md").read_text("utf-8"))
    if not found or found["version"] != version:
        raise UpstreamError(f"CHANGELOG.md: the first section is not that of {version}")
    try:
        datetime.date.fromisoformat(found["date"])
    except ValueError:
        if not rehearsal:
            raise UpstreamError(
                f"CHANGELOG.md: {version} has ({found['date']}), not its date, YYYY-MM-DD"
            ) from None
    return f"{version} ({found['date']})"


def require_commit(tree: Tree, version: str, *, rehearsal: bool) -> str:
    """Return the commit that is built: it holds the whole tree, and no other has its tag."""
    head = git(tree.root, "rev-parse", "HEAD").strip()
    changed = git(tree.root, "status", "--porcelain").splitlines()
    left_out = ", ".join(line[3:] for line in changed)
    if left_out and not rehearsal:
        raise UpstreamError(f"the tree has changes that are in no commit: {left_out}")
    tagged = git(tree.root, "tag", "--list", f"v{version}").strip()
    if tagged and git(tree.root, "rev-parse", f"v{version}^{{commit}}").strip() != head:
        raise UpstreamError(f"v{version} is the tag of another commit: this needs a new version")
    return f"{head}, without the changes of {left_out}" if left_out else head


def require_same(first: list[Path], second: list[Path]) -> None:
    """Accept two builds that are equal to the byte."""
    if [file.name for file in first] != [file.name for file in second]:
        raise UpstreamError(f"two builds gave other files: {first}, {second}")
    for one, other in zip(first, second, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise UpstreamError(f"{one.name}: two builds of one commit gave other bytes")


def _build(tree: Tree, checked: Checked, folder: Path, umask: int, *options: str) -> list[Path]:
    """Clone the commit into `folder` and build it there; return the files by name."""
    dist = folder.with_name(f"{folder.name}-dist")
    named = folder.with_name(checked.pin.archive)
    folder.parent.mkdir(parents=True, exist_ok=True)
    named.write_bytes(checked.archive.content)
    settings = {
        "SOURCE_DATE_EPOCH": git(tree.root, "log", "-1", "--format=%ct").strip(),
        "GEVENTCONNPOOL_SDIST": str(named),
    }
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, *options, folder)
    before = os.umask(umask)
    try:
        git(folder.parent, "clone", "--quiet", str(tree.root), str(folder))
        _run(*build, settings=settings)
    finally:
        os.umask(before)
    return sorted(dist.iterdir())


def _collect(tree: Tree, files: list[Path]) -> Iterator[str]:
    dist = tree.root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    for file in files:
        shutil.copy(file, dist)
        if file.suffix == ".whl":
            info = "-".join(file.name.split("-")[:2]) + ".dist-info"
            with zipfile.ZipFile(file) as wheel:
                for name in (NAME, f"sboms/{sbom.NAME}"):
                    (dist / Path(name).name).write_bytes(wheel.read(f"{info}/{name}"))
    sums = [f"{sha256(file.read_bytes())}  {file.name}" for file in sorted(dist.iterdir())]
    (dist / "SHA256SUMS").write_text("".join(f"{line}\n" for line in sums), "utf-8")
    yield from (f"dist/{line.split()[1]}: sha256 {line.split()[0]}" for line in sums)


def _run(*command: object, settings: Mapping[str, str] | None = None) -> None:
    words = [str(word) for word in command]
    run = subprocess.run(
        words,
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise UpstreamError(f"{' '.join(words)}: {(run.stdout + run.stderr)[-2000:]}")
