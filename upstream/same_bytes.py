"""How do two builds of one tree give the same bytes? What was built is written anew.

The order of the files, their times, owners and modes come from the machine, the umask and the
folder of the build; here they come from the names alone, and from $SOURCE_DATE_EPOCH, where it is
set, for the times. What is left is the content, and the compression of Python's zlib.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import time
import zipfile
from pathlib import Path

# 2 February 2020, as other build backends have it. A date that says nothing.
_NO_DATE = 1_580_601_600


def date() -> int:
    """Return the time that every file gets, in seconds: a release sets its commit's."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", _NO_DATE))


def rewrite_wheel(wheel: Path) -> None:
    """Write the wheel's entries by name, each readable by all; RECORD last, as is the custom."""
    with zipfile.ZipFile(wheel) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    moment = time.gmtime(max(date(), 315_532_800))[:6]  # zip has no earlier time than 1980
    with zipfile.ZipFile(wheel, "w") as written:
        for name in sorted(content, key=lambda name: (name.endswith("/RECORD"), name)):
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 3  # Unix, whose modes these are
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, content[name])


def rewrite_sdist(sdist: Path) -> None:
    """Write the archive's entries by name, owned by nobody in particular."""
    stream = io.BytesIO()
    with (
        tarfile.open(sdist) as opened,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as written,
    ):
        for entry in sorted(opened, key=lambda entry: entry.name):
            executable = entry.isdir() or bool(entry.mode & stat.S_IXUSR)
            entry.mode = 0o755 if executable else 0o644
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = date()
            entry.pax_headers = {}
            written.addfile(entry, opened.extractfile(entry) if entry.isreg() else None)
    with (
        sdist.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=date()) as packed,
    ):
        packed.write(stream.getvalue())
