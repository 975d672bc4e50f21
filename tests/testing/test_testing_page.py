"""The page about testing says what is so: its examples run, and print what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "testing.md"
BLOCK = re.compile(r"^```(\w+)( continued)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs() -> list[tuple[str, str]]:
    """Each program of the page, and the output that is shown for it."""
    found: list[list[str]] = []
    for kind, continued, text in BLOCK.findall(PAGE.read_text()):
        if kind == "text":
            found[-1][1] += text
        elif continued:
            found[-1][0] += text
        else:
            found.append([text, ""])
    return [(program, output) for program, output in found]


@pytest.mark.parametrize("number", range(len(programs())))
def test_each_example_runs_and_prints_what_is_shown(number: int, tmp_path: Path) -> None:
    program, output = programs()[number]
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, check=True, timeout=60, cwd=tmp_path, capture_output=True)
    assert output in done.stdout.decode()
