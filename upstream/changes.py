"""What changed between two releases of a package? Its modules, as the wheels have them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path
from zipfile import ZipFile

from upstream.errors import UpstreamError

_OF_ITS_OWN = ("tests", "testing")  # what a release tests itself with


def changes(name: str, before: str, after: str) -> list[str]:
    """Return the modules that differ, with the number of lines that came and went, as `+3 -1`.

    Raises:
        UpstreamError: the index does not have a wheel of both for this Python; with pip's words.
    """
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        old, new = (_modules(name, version, Path(folder, version)) for version in (before, after))
    told = []
    for module in sorted(old.keys() | new.keys()):
        if module not in new:
            told.append(f"{module} is gone")
        elif module not in old:
            told.append(f"{module} is new")
        elif old[module] != new[module]:
            came, went = _counted(old[module], new[module])
            told.append(f"{module} +{came} -{went}")
    return told


def _modules(name: str, version: str, folder: Path) -> dict[str, list[str]]:
    command = ("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    run = subprocess.run(
        [sys.executable, "-m", "pip", *command, f"{name}=={version}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise UpstreamError(f"no wheel of {name} {version}: {run.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return {
            member.removeprefix(f"{name}/"): archive.read(member).decode().splitlines()
            for member in archive.namelist()
            if member.startswith(f"{name}/")
            and member.endswith(".py")
            and member.split("/")[1] not in _OF_ITS_OWN
        }


def _counted(old: list[str], new: list[str]) -> tuple[int, int]:
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    parts = [(b2 - b1, a2 - a1) for kind, a1, a2, b1, b2 in steps if kind != "equal"]
    return sum(came for came, _ in parts), sum(went for _, went in parts)
