"""Which install is this, and what does it say of itself?

A wheel has two lists in its metadata: the manifest, with the facts of the release and the hash of
each file of the package, and the installer's RECORD, with the hash of each file of the metadata
too. An editable install and a source tree have no manifest: their files are those of a checkout.

Like the rest of the audit this needs the standard library alone, so that it runs where the package
itself cannot be imported.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DISTRIBUTION", "PACKAGE", "CannotTellError", "Installation", "find", "sha256"]

DISTRIBUTION = "geventconnpool-gov"
PACKAGE = "geventconnpool_gov"

_EDITABLE = (
    "the files of a checkout, or of an editable install, have no manifest; there, `git status` and "
    "`python -m upstream check` answer, and `python -m upstream apply` makes the module anew"
)


class CannotTellError(Exception):
    """What is asked cannot be answered; the text says why, and what to do.

    Where a file of the install is the reason, it is in `changed` or in `missing`.
    """

    def __init__(self, why: str, *, changed: str = "", missing: str = "") -> None:
        super().__init__(why)
        self.changed = changed
        self.missing = missing


@dataclass(frozen=True)
class Installation:
    """An installed wheel in the folder `site`."""

    site: Path
    manifest: Mapping[str, Any]
    manifest_sha256: str
    #: The SHA-256 of each file that the installer recorded; None where it left no RECORD.
    recorded: Mapping[str, str] | None
    #: The name of the metadata's folder.
    info: str

    @property
    def module(self) -> Path:
        """The module that was made of upstream's."""
        return self.site / str(self.manifest["module"]["path"])


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def find(site: Path) -> Installation:
    """Return the install in the folder `site`.

    Raises:
        CannotTellError: there is none, it is a source tree, or its manifest cannot be read.
    """
    found = sorted(site.glob(f"{PACKAGE}-*.dist-info"))
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise CannotTellError(f"{site} has {names}: uninstall {DISTRIBUTION} until none is left")
    if not found or (site / "upstream" / "pin.cfg").is_file():
        raise CannotTellError(_why_none(site))
    return _read(site, found[0])


def _read(site: Path, folder: Path) -> Installation:
    name = f"{folder.name}/manifest.json"
    recorded, text = _record(folder / "RECORD"), _text(folder / "manifest.json")
    if text is None and name in (recorded or ()):
        raise CannotTellError(f"{name} is gone: install it anew", missing=name)
    if text is None:
        raise CannotTellError(f"{site} has an install without a manifest: {_EDITABLE}")
    try:
        manifest = json.loads(text)
        _require_shape(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotTellError(f"{name} cannot be read ({error!r})", changed=name) from None
    hash_ = sha256((folder / "manifest.json").read_bytes())
    return Installation(site, manifest, hash_, recorded, folder.name)


def _require_shape(manifest: Mapping[str, Any]) -> None:
    """Name everything that is read later, so that what lacks is missed here."""
    upstream, module = manifest["upstream"], manifest["module"]
    _ = (manifest["version"], module["path"], module["sha256"], manifest["files"].items())
    _ = [upstream[key] for key in ("name", "version", "archive", "sha256")]
    _ = [upstream["module"][key] for key in ("path", "sha256")]
    for patch in manifest["patches"]:
        _ = [patch[key] for key in ("name", "reason", "summary", "sha256")]


def _why_none(site: Path) -> str:
    if (site / "upstream" / "pin.cfg").is_file():
        return f"{site} is a source tree: {_EDITABLE}"
    if not site.is_dir():
        return f"{site} is no folder: name the one that holds {PACKAGE}, unpacked, with --path"
    return f"{site} has no install of {DISTRIBUTION}"


def _record(file: Path) -> dict[str, str] | None:
    """Read a RECORD: the SHA-256 of each file that has one, from lines of path, hash and size."""
    text = _text(file)
    if text is None:
        return None
    rows = [row for row in csv.reader(text.splitlines()) if len(row) > 1]
    return {
        path: _digits(hash_.removeprefix("sha256="))
        for path, hash_, *_ in rows
        if hash_.startswith("sha256=")
    }


def _digits(value: str) -> str:
    """Return a hash of RECORD, which is in base 64 without its padding, as hexadecimal digits."""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except (ValueError, binascii.Error):
        return f"unreadable: {value}"


def _text(file: Path) -> str | None:
    return file.read_text("utf-8", errors="replace") if file.is_file() else None
