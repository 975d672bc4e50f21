"""A virtual environment without pip, into which packages are installed as users install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Where no index and no proxy is: what still works needs no network.
NO_NETWORK = {
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")

_WHERE = """
import importlib.util as util, pathlib, sys
spec = util.find_spec(sys.argv[1])
print(spec.origin if spec else "")
"""


def run(
    *command: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fails: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command with the variables `env` set, and return how it ended: as expected."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**_clean(), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert bool(done.returncode) is fails, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        """Make one, with nothing in it."""
        venv.create(folder, with_pip=False, symlinks=True)
        return cls(folder)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def pip(
        self, *arguments: object, env: Mapping[str, str] | None = None, fails: bool = False
    ) -> str:
        """Run pip for this environment, and return all that it says."""
        command = (sys.executable, "-m", "pip", "--python", self.python)
        done = run(*command, *arguments, env=env, fails=fails)
        return done.stdout + done.stderr

    def where(self, name: str) -> Path:
        """Return the file that an import of `name` would run, and run it not."""
        return Path(self.say(_WHERE, name))

    def say(self, program: str, *arguments: str) -> str:
        """Return what a program prints here, outside of any project."""
        return run(self.python, "-c", program, *arguments, cwd=self.folder).stdout.strip()


def _clean() -> dict[str, str]:
    """Return the environment variables that are not this test run's own."""
    own = ("PYTHON", "PYTEST", "COV_", "COVERAGE", "GEVENT", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(own)}
