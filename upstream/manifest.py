"""Which files are in the wheel, and what are their hashes? The manifest, in the wheel's metadata.

`manifest.json` holds the facts of the release and the SHA-256 of every file of the package.
`python -m geventconnpool_gov audit` compares an install with it. The installer's own record,
RECORD, has the files of the metadata too, the manifest among them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.facts import Facts
from upstream.pin import sha256
from upstream.tree import Tree

NAME = "manifest.json"


def manifest(tree: Tree, facts: Facts) -> Facts:
    """Return the manifest of the wheel that is built from `tree`, in which pool.py was built."""
    return {**facts, "files": _packaged(tree)}


def require_whole(wheel: Path, manifest: Mapping[str, object]) -> None:
    """Accept a wheel whose files are those of the manifest, and no others.

    Raises:
        UpstreamError: naming the files that are not.
    """
    with zipfile.ZipFile(wheel) as opened:
        there = {
            name: sha256(opened.read(name))
            for name in opened.namelist()
            if not name.partition("/")[0].endswith(".dist-info")
        }
    listed = manifest["files"]
    assert isinstance(listed, dict)
    differing = sorted(dict(there.items() ^ listed.items()))
    if differing:
        raise UpstreamError(f"{wheel.name}: not as its manifest says: {', '.join(differing)}")


def _packaged(tree: Tree) -> dict[str, str]:
    package = tree.pool.parent
    modules = [tree.root / "geventconnpool.py", *package.rglob("*.py")]
    found = [file for file in (*modules, *package.rglob("py.typed")) if file.is_file()]
    names = {file.relative_to(tree.root).as_posix(): file for file in found}
    return {name: sha256(names[name].read_bytes()) for name in sorted(names)}
