"""How do the patches move onto a newer release of upstream?

The pin is moved first, and the archive kept where builds find it, since no index has to have it. A
checkout of the old release then gets the new file as a commit of its own, and git rebases the
patches onto that. What git cannot merge, a person does; then `export`.
"""

from __future__ import annotations

from pathlib import Path

from upstream.archive import Archive, keep
from upstream.checkout import BASE, BRANCH, checkout, commit_base
from upstream.errors import UpstreamError
from upstream.git import git, run_git
from upstream.patch import Patch
from upstream.pin import Pin, read_pin, sha256, write_pin


def rebase(folder: Path, pin: Pin, old: Archive, new: Archive, patches: list[Patch]) -> list[str]:
    """Rebase `patches` from `old` onto `new` in `folder`, and return what to tell the user.

    Where git stops at a conflict, so does this; the lines returned say how to go on.

    Raises:
        UpstreamError: the new archive has no such members, or the checkout cannot be made.
    """
    if sha256(new.content) == pin.sha256:
        raise UpstreamError(f"{new.origin}: is the pinned archive already")
    version = new.version(pin.name)
    base = new.read(pin.pool.path).decode("utf-8")
    licence = new.read(pin.licence_text.path)
    checkout(folder, pin, old.member(pin.pool), patches)
    old_base = git(folder, "rev-parse", BASE).strip()
    write_pin(
        pin.file,
        {
            ("release", "version"): version,
            ("release", "archive"): Path(new.origin).name,
            ("release", "sha256"): sha256(new.content),
            ("pool.py", "sha256"): sha256(base),
            ("LICENSE", "sha256"): sha256(licence),
        },
    )
    said = [f"{pin.file} now names {pin.name} {version}"]
    said.append(f"{new.origin}: {keep(new, Path(new.origin).name)}")
    if sha256(licence) != pin.licence_text.sha256:
        said.append(f"upstream's {pin.licence_text.path} has changed: read it")
    git(folder, "checkout", "--quiet", "--detach", BASE)
    commit_base(folder, read_pin(pin.file), base)
    run = run_git(folder, "rebase", "--empty=drop", "--onto", BASE, old_base, BRANCH)
    words = (run.stdout + run.stderr).decode("utf-8", "replace")
    said += [line.strip() for line in words.splitlines() if line.strip()]
    return [*said, *_next(folder, conflict=run.returncode != 0)]


def _next(folder: Path, *, conflict: bool) -> list[str]:
    lines = []
    if conflict:
        lines = [
            f"1. In {folder}, mend pool.py where git marked it, then: git add pool.py",
            "2. git rebase --continue (or git rebase --skip, where upstream has the change itself)",
            "3. Again, until git says that the rebase is done. Then:",
        ]
    then = (f"export {folder}", "sbom", "check", "apply")
    return [*lines, *(f"python -m upstream {command}" for command in then)]
