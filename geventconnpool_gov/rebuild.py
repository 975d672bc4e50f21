"""Does upstream's archive, with the patches applied, give the installed module byte for byte?

Archive and patches are not installed. They come from a checkout or from this release's source
distribution, packed or not, which has both; and the archive alone from $GEVENTCONNPOOL_SDIST or a
file that is named. Whatever the source, they count only with the hashes of the manifest. This is
written apart from the tool that builds the package, so that neither vouches for itself.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .installation import CannotTellError, sha256

__all__ = ["derive"]

Read = Callable[[str], "bytes | None"]

_GET_ARCHIVE = (
    "`python -m upstream fetch` in a checkout downloads it to where it is found here; or name it "
    "with --archive or $GEVENTCONNPOOL_SDIST"
)


def derive(manifest: Mapping[str, Any], source: Path, archive: Path | None = None) -> bytes:
    """Return the module made anew.

    Args:
        manifest: of the install, which names archive and patches with their hashes.
        source: a checkout, or the source distribution of this release.
        archive: upstream's archive, where `source` does not carry it.

    Raises:
        CannotTellError: something is not there, or not what the manifest names.
    """
    read = _reader(source)
    upstream = manifest["upstream"]
    content = _archive(upstream, read, archive)
    base = _members(content, str(upstream["archive"]))(upstream["module"]["path"])
    text = _verified(base, upstream["module"]["sha256"], f"upstream's {upstream['module']['path']}")
    for patch in manifest["patches"]:
        name = f"patches/{patch['name']}.patch"
        text = _apply(_verified(read(name), patch["sha256"], f"{name} of {source}"), text, name)
    return text


def _archive(upstream: Mapping[str, Any], read: Read, archive: Path | None) -> bytes:
    name = upstream["archive"]
    named = archive or os.environ.get("GEVENTCONNPOOL_SDIST")
    if named:
        content, where = _file(Path(named)), str(named)
    else:
        content, where = read(f"upstream/{name}"), name
        if content is None:
            cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            kept = Path(cache, "geventconnpool_gov", name)
            content, where = _file(kept), str(kept)
    if content is None:
        raise CannotTellError(f"{named or name} is not there: {_GET_ARCHIVE}")
    return _verified(content, upstream["sha256"], where)


def _apply(patch: bytes, text: bytes, name: str) -> bytes:
    """Apply a change in RCS format: `d<line> <count>`, and `a<line> <count>` with its lines."""
    before = text.split(b"\n")
    commands = iter(patch.partition(b"\n---\n")[2].split(b"\n")[:-1])
    after: list[bytes] = []
    done = 0
    try:
        for command in commands:
            line, count = (int(number) for number in command[1:].split())
            keep = line - 1 if command[:1] == b"d" else line
            after += before[done:keep]
            done = max(done, keep)
            if command[:1] == b"d":
                done += count
            else:
                after += [next(commands) for _ in range(count)]
    except (ValueError, StopIteration, RuntimeError):
        raise CannotTellError(f"{name} is no patch in RCS format") from None
    return b"\n".join([*after, *before[done:]])


def _verified(content: bytes | None, expected: str, what: str) -> bytes:
    if content is None:
        raise CannotTellError(f"{what} is not there: --source is of another release")
    if sha256(content) != expected:
        raise CannotTellError(
            f"{what} has sha256 {sha256(content)}, the manifest says {expected}: it is of another "
            "release, or one of them was tampered with"
        )
    return content


def _reader(source: Path) -> Read:
    """Return a function that reads a file of a source tree, packed or not; None: not there."""
    if source.is_dir():
        return lambda name: _file(source / name)
    content = _file(source)
    if content is None:
        raise CannotTellError(f"{source} is not there: name a checkout, or a source distribution")
    return _members(content, str(source))


def _members(content: bytes, name: str) -> Read:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for entry in tar:
                stream = tar.extractfile(entry) if entry.isreg() else None
                if stream:
                    members[entry.name.partition("/")[2]] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CannotTellError(f"{name} is no source distribution: {error}") from None
    return members.get


def _file(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
