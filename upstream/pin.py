"""Which upstream release is this, and which hashes say so? The reading and writing of pin.cfg."""

from __future__ import annotations

import configparser
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from upstream.errors import UpstreamError

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """A file of the archive: its path below the archive's top folder, and its hash."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Pin:
    """The pinned release."""

    file: Path
    name: str
    version: str
    archive: str
    sha256: str
    author: str
    licence: str
    pool: Member
    licence_text: Member
    result: str

    @property
    def carried(self) -> Path:
        """Where an archive carried along stands: beside the pin."""
        return self.file.with_name(self.archive)


def sha256(content: bytes | str) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def read_pin(file: Path) -> Pin:
    """Read the pin.

    Raises:
        UpstreamError: the file is not there, lacks a value, or has a hash that is none.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text("utf-8"), str(file))
        pin = Pin(
            file=file,
            **{key: parser["release"][key] for key in ("name", "version", "archive", "sha256")},
            author=parser["release"]["author"],
            licence=parser["release"]["licence"],
            pool=Member(**{key: parser["pool.py"][key] for key in ("path", "sha256")}),
            licence_text=Member(**{key: parser["LICENSE"][key] for key in ("path", "sha256")}),
            result=parser["result"]["sha256"],
        )
    except (OSError, KeyError, configparser.Error) as error:
        raise UpstreamError(f"{file}: cannot be read as a pin: {error}") from None
    for value in (pin.sha256, pin.pool.sha256, pin.licence_text.sha256, pin.result):
        if not _SHA256.fullmatch(value):
            raise UpstreamError(f"{file}: {value!r} is no SHA-256")
    return pin


def write_pin(file: Path, values: dict[tuple[str, str], str]) -> None:
    """Set the values named by (section, key), and leave every other line as it is."""
    section, lines, left = "", [], dict(values)
    for line in file.read_text("utf-8").split("\n"):
        if line.startswith("["):
            section = line.strip("[]")
        key = line.partition("=")[0].strip()
        lines.append(f"{key} = {left.pop((section, key))}" if (section, key) in left else line)
    if left:
        raise UpstreamError(f"{file}: has no value for {left}")
    file.write_text("\n".join(lines), "utf-8")
