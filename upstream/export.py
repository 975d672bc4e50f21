"""How do commits become patch files again, byte for byte where nothing changed?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upstream.checkout import BASE, FILE
from upstream.errors import UpstreamError
from upstream.git import git, run_git
from upstream.header import Header, parse_message
from upstream.patch import SUFFIX, render
from upstream.pin import Pin, sha256, write_pin
from upstream.series import render_series
from upstream.tree import write_if_changed

_UNFINISHED = ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "MERGE_HEAD")


@dataclass(frozen=True)
class Exported:
    """The files that were written, and those that were removed, for the report."""

    patches: int
    written: list[Path]
    removed: list[Path]


def export(folder: Path, pin: Pin, patches: Path, *, update_pin: bool) -> Exported:
    """Write the commits of `folder` behind the tag `upstream` as patch files into `patches`.

    Files of patches that are gone are removed. Nothing is written unless every commit is good.

    Raises:
        UpstreamError: something uncommitted or unfinished; a base that is not the pinned file; a
            commit that changes nothing, or another file, or that lacks fields in its message.
    """
    _check_state(folder)
    text = _file_at(folder, BASE)
    if sha256(text) != pin.pool.sha256:
        raise UpstreamError(
            f"{folder}: the tag {BASE} holds a {FILE} of sha256 {sha256(text)}, "
            f"but the pin names {pin.pool.sha256}"
        )
    files: dict[str, str] = {}
    for commit in git(folder, "rev-list", "--reverse", f"{BASE}..HEAD").split():
        name, header = _read_commit(folder, commit)
        after = _file_at(folder, commit)
        if after == text:
            raise UpstreamError(f"{_called(folder, commit)}: changes nothing")
        if name in files:
            raise UpstreamError(f"{_called(folder, commit)}: a second patch {name}")
        files[name] = render(header, text, after)
        text = after
    return _write(files, text, pin if update_pin else None, patches)


def _write(files: dict[str, str], result: str, pin: Pin | None, patches: Path) -> Exported:
    wanted = {patches / f"{name}{SUFFIX}": text for name, text in files.items()}
    series = render_series(patches, list(files))
    written = [path for path, text in wanted.items() if write_if_changed(path, text)]
    if write_if_changed(patches / "series", series):
        written.append(patches / "series")
    gone = [path for path in sorted(patches.glob(f"*{SUFFIX}")) if path not in wanted]
    for path in gone:
        path.unlink()
    if pin and pin.result != sha256(result):
        write_pin(pin.file, {("result", "sha256"): sha256(result)})
        written.append(pin.file)
    return Exported(len(files), written, gone)


def _check_state(folder: Path) -> None:
    if run_git(folder, "rev-parse", "--verify", "--quiet", f"refs/tags/{BASE}").returncode:
        raise UpstreamError(f"{folder}: is no folder that checkout made: it has no tag {BASE}")
    for name in _UNFINISHED:
        if (folder / git(folder, "rev-parse", "--git-path", name).strip()).exists():
            raise UpstreamError(f"{folder}: a rebase, cherry-pick or merge is not finished there")
    if git(folder, "status", "--porcelain", "--untracked-files=no"):
        raise UpstreamError(f"{folder}: has changes that are not committed")
    if run_git(folder, "merge-base", "--is-ancestor", BASE, "HEAD").returncode:
        raise UpstreamError(f"{folder}: HEAD does not stand on the tag {BASE}")
    if git(folder, "rev-list", "--merges", f"{BASE}..HEAD"):
        raise UpstreamError(f"{folder}: has a merge behind the tag {BASE}; a patch is one commit")


def _read_commit(folder: Path, commit: str) -> tuple[str, Header]:
    called = _called(folder, commit)
    changed = git(folder, "diff-tree", "--no-commit-id", "--name-only", "-r", commit).split("\n")
    others = [name for name in changed if name not in ("", FILE)]
    if others:
        raise UpstreamError(f"{called}: changes {', '.join(others)}; a patch changes {FILE} alone")
    return parse_message(git(folder, "show", "--no-patch", "--format=%B", commit), called)


def _called(folder: Path, commit: str) -> str:
    return git(folder, "show", "--no-patch", "--format=commit %h (%s)", commit).strip()


def _file_at(folder: Path, commit: str) -> str:
    return git(folder, "cat-file", "blob", f"{commit}:{FILE}")
