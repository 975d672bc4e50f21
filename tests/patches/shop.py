"""The source tree, built once as users build it, for all tests that look at what comes out."""

from __future__ import annotations

import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.patches.environment import NO_NETWORK, run
from upstream.archive import Archive
from upstream.borrowed import files
from upstream.tree import this_tree


@dataclass(frozen=True)
class Shop:
    """A copy of the source tree, what builds need, and what `python -m build` made of it."""

    source: Path
    requirements: Path
    archive: Path
    sdist: Path
    wheel: Path

    @classmethod
    def open(cls, folder: Path, archive: Archive) -> Shop:
        """Copy the tree, fetch what builds need, and build."""
        source, requirements, dist = folder / "source", folder / "requirements", folder / "dist"
        root = this_tree().root
        for file in files(root):
            copy = source / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
        for carried in (source / "upstream").glob("*.tar.gz"):
            carried.unlink()
        named = folder / "archive.tar.gz"
        named.write_bytes(archive.content)
        pip = (sys.executable, "-m", "pip")
        run(*pip, "download", "-q", "--dest", requirements, "setuptools", "pip", "wheel")
        shop = cls(source, requirements, named, dist, dist)
        run(sys.executable, "-m", "build", "-o", dist, source, env=shop.settings)
        (made,) = dist.glob("*.tar.gz")
        (wheel,) = dist.glob("*.whl")
        return cls(source, requirements, named, made, wheel)

    @property
    def info(self) -> str:
        """The folder of the wheel's metadata."""
        return "-".join(self.wheel.name.split("-")[:2]) + ".dist-info"

    @property
    def offline(self) -> dict[str, str]:
        """Variables for an isolated build without network; upstream's archive comes with it."""
        return {**NO_NETWORK, "PIP_FIND_LINKS": str(self.requirements)}

    @property
    def settings(self) -> dict[str, str]:
        """The same for a source tree, to which upstream's archive is named."""
        return {**self.offline, "GEVENTCONNPOOL_SDIST": str(self.archive)}


def read_wheel(wheel: Path) -> dict[str, bytes]:
    """Return the content of each file in a wheel, or in any other zip archive."""
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
