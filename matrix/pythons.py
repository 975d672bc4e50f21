"""Which CPythons stand on this machine? The newest of each minor version that answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 10)  # python_requires

# Where installers put what is not on the path.
_ELSEWHERE = (
    ".pyenv/versions/*/bin",
    ".local/share/uv/python/*/bin",
    ".local/share/mise/installs/python/*/bin",
)
_NAME = re.compile(r"python3\.\d+")
_ASK = """
import json, platform, sys
final = sys.version_info.releaselevel == "final"
print(json.dumps([platform.python_implementation(), final, sys.version_info[:3]]))
"""


@dataclass(frozen=True, order=True)
class Python:
    """A CPython: its whole version, and where it stands."""

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> str:
        """What wheels are for, as `3.11`."""
        return "{}.{}".format(*self.version)

    @property
    def full(self) -> str:
        """The version, as `3.11.7`."""
        return ".".join(map(str, self.version))


def standing_here() -> list[Python]:
    """Return the newest CPython of each minor version, the oldest first."""
    newest: dict[str, Python] = {}
    for python in sorted(filter(None, map(ask, _candidates()))):
        newest[python.minor] = python
    return sorted(newest.values())


def ask(path: str) -> Python | None:
    """Return what the interpreter at `path` is; None where it is none that is supported."""
    try:
        run = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, timeout=30, check=True)
        implementation, final, version = json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a shim of a version that is not there
    if implementation != "CPython" or not final or tuple(version) < OLDEST:
        return None
    return Python(tuple(version), path)


def _candidates() -> Iterator[str]:
    yield os.path.realpath(sys.executable)
    for folder in _folders():
        if folder.is_dir():
            yield from (str(path) for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _folders() -> Iterable[Path]:
    elsewhere = (folder for place in _ELSEWHERE for folder in Path.home().glob(place))
    return dict.fromkeys([*map(Path, os.get_exec_path()), *elsewhere])
