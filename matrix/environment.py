"""How does a combination get an environment of its own? uv makes it, once, under .cache/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from matrix.combinations import Combination

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "matrix"
TREE = CACHE / "tree"  # what is tested: the tree as it stood at the start

# What the tests that are run import. The package itself comes from the tree.
NEEDED = (
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "trustme",
    "rich",
    "prometheus_client",
    "opentelemetry-sdk>=1.30",
    "statsd",
    "datadog",
)
# gevent 22.10.2 imports setuptools' pkg_resources: from 67.3 on that warns, which is an error here,
# and before it does not know zope.interface by the name that later wheels have.
CONSTRAINTS = "setuptools<67.3\nzope.interface<8\nzope.event<5.1\n"

_NO_WHEEL = re.compile("has no (usable )?wheels")
_OWN = ("PYTHON", "PYTEST", "COV_", "COVERAGE", "GEVENT", "PURE_PYTHON", "VIRTUAL_ENV", "INNER_RUN")

# Combinations that differ in their kind alone share one.
_one_at_a_time = threading.Lock()


class NoWheelError(Exception):
    """The release has no wheel for this CPython and machine."""


class LeftOutError(Exception):
    """The environment cannot be made here and now; the text says why."""


def environment(combination: Combination) -> Path:
    """Return the interpreter of the combination's environment, which is made where it is missing.

    Raises:
        NoWheelError: there is no wheel.
        LeftOutError: for any other reason, such as an index that cannot be reached.
    """
    with _one_at_a_time:
        return _made(combination)


def _made(combination: Combination) -> Path:
    folder = CACHE / f"{combination.python.full}-gevent-{combination.gevent}"
    python, stamp = folder / "bin" / "python", folder / "made-of"
    made_of = "\n".join([combination.python.path, str(TREE), *NEEDED, CONSTRAINTS])
    if stamp.exists() and stamp.read_text() == made_of:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    base = ("venv", "--no-project", "--no-python-downloads", "--python", combination.python.path)
    _uv(*base, str(folder))
    constraints = folder / "constraints.txt"
    constraints.write_text(CONSTRAINTS)
    wheels = ("--only-binary", "gevent", "--constraint", str(constraints))
    gevent = f"gevent=={combination.gevent}"
    _uv("pip", "install", "--python", str(python), *wheels, gevent, *NEEDED)
    (site_packages,) = folder.glob("lib/python3.*/site-packages")
    (site_packages / "tree.pth").write_text(f"{TREE}\n")
    stamp.write_text(made_of)
    return python


def clean_variables() -> dict[str, str]:
    """Return the environment variables without those that steer Python, its tests or gevent."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def _uv(*arguments: str) -> None:
    beside = str(Path(sys.executable).parent)
    uv = shutil.which("uv", path=beside) or shutil.which("uv")
    if uv is None:
        raise LeftOutError("uv is not installed: pip install '.[dev]'")
    command = [uv, *arguments, "--quiet"]
    # As pip does, trust whom the machine trusts.
    variables = {"UV_SYSTEM_CERTS": "1", **clean_variables()}
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if _NO_WHEEL.search(run.stderr):
        raise NoWheelError
    if run.returncode:
        lines = run.stderr.split("\n")
        raise LeftOutError(" ".join(line.strip() for line in lines[:2]).strip())
