"""Where the files stand, in a git checkout and in an unpacked sdist alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tree:
    """The fork's source tree under `root`."""

    root: Path

    @property
    def pin(self) -> Path:
        """The pinned release and its hashes."""
        return self.root / "upstream" / "pin.cfg"

    @property
    def patches(self) -> Path:
        """The patch files and their series."""
        return self.root / "patches"

    @property
    def pool(self) -> Path:
        """The built module: upstream's `pool.py` with the series applied."""
        return self.root / "geventconnpool_gov" / "pool.py"

    @property
    def notice(self) -> Path:
        """The built file that credits upstream in the wheel."""
        return self.root / "upstream" / "built" / "NOTICE"

    @property
    def sbom(self) -> Path:
        """The bill of materials, made and then kept beside the pin."""
        return self.root / "upstream" / "sbom.cdx.json"


def this_tree() -> Tree:
    """Return the tree that this module belongs to."""
    return Tree(Path(__file__).resolve().parent.parent)


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` to `path` unless it is there already, and say whether it was written.

    An up-to-date file keeps its time, so that what was made from it stays up to date too.
    """
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True
