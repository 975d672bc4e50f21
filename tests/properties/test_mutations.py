"""The model checking finds what it is there for: each deliberate fault makes a schedule fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults import FAULTS, Fault

ROOT = Path(__file__).parent.parent.parent

EXPLORE = """
import gc, sys
import geventconnpool_gov
from model import Bound, Scenario
from faults import FAULTS

assert geventconnpool_gov.__file__.startswith(sys.argv[1])
gc.freeze()
for fault in FAULTS:
    if fault.name == sys.argv[2] or sys.argv[2] == "all":
        bound = Bound(len(fault.events), fault.clients, fault.size, departures=1)
        bound.explore(Scenario(fault.events, fault.size, fault.clients, fault.guarded, instants=5))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package; with its compiled files, which are valid for it."""
    package = ROOT / "geventconnpool_gov"
    shutil.copytree(package, tmp_path / package.name)
    return tmp_path


def explore(copy: Path, fault: str) -> str:
    """What exploring the copy, as that fault asks for, fails with."""
    folders = (copy, ROOT / "tests" / "properties", ROOT / "tests")
    done = subprocess.run(
        [sys.executable, "-c", EXPLORE, str(copy), fault],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_is_found(fault: Fault, copy: Path, record_property) -> None:
    module = copy / "geventconnpool_gov" / f"{fault.module}.py"
    text = module.read_text()
    assert text.count(fault.line + "\n") == 1, "the line is not there, or not there once"
    module.write_text(text.replace(fault.line + "\n", fault.instead + "\n"))
    failure = explore(copy, fault.name)
    assert "ScheduleError" in failure, failure or "NOT FOUND"
    record_property("faults: found of those made on purpose", 1)


def test_without_a_fault_none_is_found(copy: Path) -> None:
    assert explore(copy, "all") == ""
