"""Is what is installed what was released? Every file against its hash, and what that tells.

The answer is as good as the code that gives it: somebody who can change the package can change
this module, and the manifest too. Who wants more runs the audit from a wheel or an environment that
is known to be good (`--path` names the install to look at), compares the manifest's own hash with
the release's, or has the patched module made anew (`--rebuild`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .bytecode import belies
from .installation import DISTRIBUTION, PACKAGE, CannotTellError, Installation, find, sha256
from .rebuild import derive

__all__ = ["Audit", "audit"]

# The installer writes these, and no release names them.
_INSTALLERS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})


@dataclass
class Audit:
    """What was found. Files are named below the folder of the install, `place`."""

    place: Path
    installation: Installation | None = None
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    rebuilt: str | None = None

    @property
    def status(self) -> int:
        """The exit status: 0 as released, 1 changed, missing or extra files, 2 cannot tell."""
        if self.changed or self.missing or self.extra:
            return 1
        return 2 if self.unknown else 0

    @property
    def verdict(self) -> str:
        """The status in words."""
        return ("as released", "not as released", "cannot tell")[self.status]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        told = dict(self.installation.manifest) if self.installation else {}
        files = told.pop("files", {})
        hash_ = self.installation.manifest_sha256 if self.installation else None
        return {
            "verdict": self.verdict,
            "status": self.status,
            "place": str(self.place),
            **told,
            "files": len(files),
            "manifest_sha256": hash_,
            **{kind: getattr(self, kind) for kind in ("changed", "missing", "extra", "unknown")},
            "rebuilt_sha256": self.rebuilt,
        }

    def as_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        if self.installation:
            yield from _release(self.installation)
        for kind in ("changed", "missing", "extra"):
            for name in getattr(self, kind):
                yield f"{kind}: {name}"
        for why in self.unknown:
            yield f"cannot tell: {why}"
        if self.installation and self.rebuilt:
            yield f"rebuilt: {self.installation.module}, sha256 {self.rebuilt}"
        yield f"{self.verdict}: {DISTRIBUTION} in {self.place}"


def audit(
    place: Path | None = None,
    *,
    rebuild: bool = False,
    source: Path | None = None,
    archive: Path | None = None,
) -> Audit:
    """Compare an install with its manifest and its RECORD.

    Args:
        place: the folder that holds the package; None: the one that this module is in.
        rebuild: derive the patched module anew, and compare it byte for byte.
        source: for `rebuild`: a checkout, or the source distribution of this release.
        archive: for `rebuild`: upstream's archive, where `source` does not carry it.
    """
    found = Audit(place or Path(__file__).parent.parent)
    try:
        found.installation = find(found.place)
        _compare(found, found.installation)
        if rebuild:
            _rebuild(found, found.installation, source, archive)
    except CannotTellError as error:
        found.unknown.append(str(error))
        found.changed += filter(None, [error.changed])
        found.missing += filter(None, [error.missing])
    return found


def _compare(found: Audit, installation: Installation) -> None:
    manifest, recorded = installation.manifest["files"], installation.recorded
    if recorded is None:
        found.unknown.append("the installer left no RECORD: the metadata cannot be compared")
        recorded = {}
    # RECORD tells of the metadata. What belongs to the package, the manifest alone says.
    metadata = {name for name in recorded if name.startswith(f"{installation.info}/")}
    released = {*manifest, *metadata}
    for name in sorted(released):
        file = found.place / name
        if not file.is_file():
            found.missing.append(name)
        elif {one[name] for one in (manifest, recorded) if name in one} != {_hash(file)}:
            found.changed.append(name)
    for name in _present(found.place, installation.info):
        file = found.place / name
        if file.parent.name == "__pycache__" and file.suffix == ".pyc":
            if belies(file):
                found.changed.append(name)
        elif name not in released and not _by_installer(name, installation):
            found.extra.append(name)


def _present(place: Path, info: str) -> Iterator[str]:
    """Yield the files of package and metadata; a linked folder counts as one."""
    drop_in = sorted((place / "__pycache__").glob("geventconnpool.*.pyc"))
    yield from (file.relative_to(place).as_posix() for file in drop_in)
    for top in (PACKAGE, info):
        for folder, folders, files in os.walk(place / top):
            folders.sort()
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in sorted([*files, *links]):
                yield Path(folder, name).relative_to(place).as_posix()


def _by_installer(name: str, installation: Installation) -> bool:
    folder, _, rest = name.partition("/")
    return folder == installation.info and (rest in _INSTALLERS or installation.recorded is None)


def _rebuild(
    found: Audit, installation: Installation, source: Path | None, archive: Path | None
) -> None:
    if source is None:
        version = installation.manifest["version"]
        raise CannotTellError(
            "--rebuild needs the patches and upstream's archive: name the release's source "
            f"distribution, {PACKAGE}-{version}.tar.gz, with --source; or a checkout of v{version}"
        )
    module = derive(installation.manifest, source, archive)
    found.rebuilt = sha256(module)
    name = str(installation.manifest["module"]["path"])
    there = installation.module.read_bytes() if installation.module.is_file() else b""
    if module != there and name not in found.changed and name not in found.missing:
        found.changed.append(name)


def _hash(file: Path) -> str:
    return sha256(file.read_bytes())


def _release(installation: Installation) -> Iterator[str]:
    manifest = installation.manifest
    upstream = manifest["upstream"]
    yield f"{DISTRIBUTION} {manifest['version']}: manifest sha256 {installation.manifest_sha256}"
    yield f"upstream {upstream['name']} {upstream['version']}: sha256 {upstream['sha256']}"
    for patch in manifest["patches"]:
        yield f"patch {patch['name']}: sha256 {patch['sha256']}"
        yield f"    {patch['reason']}: {patch['summary']}"
