"""How are patches edited? As commits: upstream's `pool.py`, then one commit a patch.

The tag `upstream` marks the commit with upstream's file, the branch `patches` the last patch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.git import git
from upstream.header import render_message
from upstream.patch import Patch
from upstream.pin import Pin
from upstream.series import states

FILE = "pool.py"
BASE = "upstream"
BRANCH = "patches"

# For whoever commits here. Of a commit only the message and the text are exported, so nobody has to
# have told git who they are, and nobody has to sign.
_SETTINGS = {
    "core.autocrlf": "false",
    "commit.gpgSign": "false",
    "user.name": "geventconnpool_gov",
    "user.email": "geventconnpool_gov@example.invalid",
}

# No patch is older than upstream's release.
_BASE_DATE = "2014-06-03"


def checkout(folder: Path, pin: Pin, base: str, patches: Iterable[Patch]) -> int:
    """Make the repository in `folder`, which must be empty or not there; return its commits.

    Raises:
        UpstreamError: the folder holds something, a patch does not apply, or git fails.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UpstreamError(f"{folder}: is not an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--template=", f"--initial-branch={BRANCH}")
    for setting, value in _SETTINGS.items():
        git(folder, "config", setting, value)
    commit_base(folder, pin, base)
    commits = 1
    for patch, _, after in states(patches, base):
        message = render_message(patch.name, patch.header)
        commit(folder, after, message, patch.header["Last-Update"])
        commits += 1
    return commits


def commit_base(folder: Path, pin: Pin, base: str) -> None:
    """Commit upstream's file, and mark the commit as the one that the patches stand on."""
    message = f"{pin.name} {pin.version}\n\nUpstream's {FILE}, sha256 {pin.pool.sha256}.\n"
    commit(folder, base, message, _BASE_DATE)
    git(folder, "tag", "--force", BASE)


def commit(folder: Path, text: str, message: str, date: str) -> None:
    """Commit `text` as the one file that there is; `message` stands exactly as given."""
    (folder / FILE).write_bytes(text.encode())
    git(folder, "add", FILE)
    git(
        folder,
        *("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--file=-"),
        text=message,
        date=date,
    )
