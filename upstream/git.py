"""How is git run, so that nobody's settings change what it does?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from upstream.errors import UpstreamError

_IDENTITY = {"NAME": "geventconnpool_gov", "EMAIL": "geventconnpool_gov@example.invalid"}
_SETTINGS = ("core.hooksPath=/dev/null", "commit.gpgSign=false", "core.autocrlf=false")


def git(folder: Path, *arguments: str, text: str | None = None, date: str | None = None) -> str:
    """Run git in `folder`, `text` on its standard input, and return what it prints.

    `date` dates a commit. System and personal settings, hooks and signing are left out.

    Raises:
        UpstreamError: git is not there or fails; with git's own words.
    """
    run = run_git(folder, *arguments, text=text, date=date)
    if run.returncode:
        said = (run.stderr or run.stdout).decode("utf-8", "replace")
        raise UpstreamError(f"{folder}: git {arguments[0]}: {said}")
    try:
        return run.stdout.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UpstreamError(f"{folder}: git {' '.join(arguments)}: not UTF-8: {error}") from None


def run_git(
    folder: Path, *arguments: str, text: str | None = None, date: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git as `git()` does, and return how it ended. Bytes, so that no line end is changed."""
    program = shutil.which("git")
    if program is None:
        raise UpstreamError("git is not installed; checkout, export and rebase need it")
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return subprocess.run(
        [program, *settings, *arguments],
        cwd=folder,
        env=_environment(date),
        input=None if text is None else text.encode(),
        capture_output=True,
        check=False,
    )


def _environment(date: str | None) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    environment |= {"GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_{key}": value for key, value in _IDENTITY.items()}
        if date:
            environment[f"GIT_{role}_DATE"] = f"{date}T00:00:00Z"
    return environment
