"""Where does the pinned archive come from, and is it the pinned one?

In this order: the file named by $GEVENTCONNPOOL_SDIST; one beside the pin, which is how our own
sdist carries it; the cache of an earlier run; the package index. Whatever the source, the bytes
count only when their SHA-256 is the pin's. Members are read in memory: nothing is unpacked.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.index import download
from upstream.pin import Member, Pin, sha256

VARIABLE = "GEVENTCONNPOOL_SDIST"


@dataclass(frozen=True)
class Archive:
    """A source archive: its bytes, and where they came from."""

    content: bytes = field(repr=False)
    origin: str

    def names(self) -> list[str]:
        """Return the paths of the regular files, below the archive's top folder."""
        with self._open() as tar:
            return [_below_top(entry.name) for entry in tar if entry.isreg()]

    def version(self, name: str) -> str:
        """Return the version that the top folder, `name-version`, gives away."""
        with self._open() as tar:
            tops = {entry.name.partition("/")[0] for entry in tar}
        top = tops.pop() if len(tops) == 1 else ""
        if not top.startswith(f"{name}-"):
            raise UpstreamError(f"{self.origin}: has no single top folder {name}-VERSION")
        return top.removeprefix(f"{name}-")

    def read(self, path: str) -> bytes:
        """Return the content of the one regular file at `path`, below the top folder."""
        with self._open() as tar:
            found = [entry for entry in tar if entry.isreg() and _below_top(entry.name) == path]
            if len(found) != 1:
                raise UpstreamError(f"{self.origin}: has {len(found)} files {path}, not one")
            stream = tar.extractfile(found[0])
            return stream.read() if stream else b""

    def member(self, member: Member) -> str:
        """Return the text of a pinned member.

        Raises:
            UpstreamError: the member is not there, or its hash is not the pin's.
        """
        content = self.read(member.path)
        if sha256(content) != member.sha256:
            raise UpstreamError(
                f"{self.origin}: member {member.path}: "
                f"expected sha256 {member.sha256}, got {sha256(content)}"
            )
        return content.decode("utf-8")

    def _open(self) -> tarfile.TarFile:
        try:
            return tarfile.open(fileobj=io.BytesIO(self.content))
        except tarfile.TarError as error:
            raise UpstreamError(f"{self.origin}: is no tar archive: {error}") from None


def read_archive(path: Path) -> Archive:
    """Read an archive without comparing it with any pin."""
    try:
        return Archive(path.read_bytes(), str(path))
    except OSError as error:
        raise UpstreamError(f"{path}: cannot be read: {error.strerror}") from None


def fetch(pin: Pin) -> Archive:
    """Return the pinned archive, verified.

    Raises:
        UpstreamError: no source has it, or a source that must have it has another.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _verified(pin, read_archive(Path(named)), f"point ${VARIABLE} at the pinned file")
    if pin.carried.exists():
        return _verified(pin, read_archive(pin.carried), "remove it to have it downloaded again")
    cached = _cache() / pin.archive
    if cached.is_file():
        archive = read_archive(cached)
        if sha256(archive.content) == pin.sha256:
            return archive
    archive = Archive(download(pin), "the package index")
    _verified(pin, archive, "the index does not hold the pinned file")
    return Archive(archive.content, f"the package index, {keep(archive, pin.archive)}")


def keep(archive: Archive, name: str) -> str:
    """Put an archive where `fetch` looks for the pinned one, and say where, or why not."""
    try:
        path = _cache() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(archive.content)
        Path(file.name).replace(path)
    except (OSError, RuntimeError) as error:
        return f"not kept: {error}"
    return f"kept as {path}"


def _verified(pin: Pin, archive: Archive, advice: str) -> Archive:
    got = sha256(archive.content)
    if got != pin.sha256:
        raise UpstreamError(f"{archive.origin}: expected sha256 {pin.sha256}, got {got}; {advice}")
    return archive


def _below_top(name: str) -> str:
    return name.partition("/")[2]


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path("~/.cache").expanduser()) / "geventconnpool_gov"
