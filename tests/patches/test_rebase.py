"""The patches move onto a newer release; what git cannot merge is left to a person, with words."""

from __future__ import annotations

from pathlib import Path

from tests.patches.conftest import Run
from tests.patches.project import BASE, Project, sdist
from tests.patches.test_checkout_export import git
from upstream.pin import read_pin, sha256

ADDED = "\n\n# The newer release.\n"
NEWER = BASE + ADDED


def release(folder: Path, text: str) -> Path:
    file = folder / "madeup-1.1.tar.gz"
    file.write_bytes(sdist("1.1", text))
    return file


def test_patches_that_still_fit_move_by_themselves(
    run: Run, project: Project, tmp_path: Path
) -> None:
    new = release(tmp_path, NEWER)
    printed = run("rebase", new, tmp_path / "work")
    assert "now names madeup 1.1\n" in printed
    assert f"{new}: kept as {tmp_path / 'cache'}" in printed
    then = printed.split("\n")[-5:-1]
    assert then == [
        f"python -m upstream export {tmp_path / 'work'}",
        "python -m upstream sbom",
        "python -m upstream check",
        "python -m upstream apply",
    ]
    new.unlink()
    run("export", tmp_path / "work")
    assert "3 patches on madeup-1.1.tar.gz" in run("check")
    pin = read_pin(project.tree.pin)
    assert pin.result == sha256(project.text + ADDED)
    assert pin.version == "1.1"


def test_a_conflict_stops_and_says_how_to_go_on(run: Run, project: Project, tmp_path: Path) -> None:
    work = tmp_path / "work"
    new = release(tmp_path, NEWER.replace("pop()", "popleft()"))
    printed = run("rebase", new, work)
    assert "CONFLICT (content): Merge conflict in pool.py" in printed
    assert f"1. In {work}, mend pool.py where git marked it, then: git add pool.py" in printed
    assert "not finished" in run("export", work, fails=True)
    (work / "pool.py").write_text(NEWER.replace("pop()", "pop(0)").replace("old_", "new_"))
    git(work, "add", "pool.py")
    git(work, "-c", "core.editor=true", "rebase", "--continue")
    run("export", work)
    assert "3 patches on madeup-1.1.tar.gz" in run("check")


def test_a_patch_that_upstream_took_over_is_dropped(
    run: Run, project: Project, tmp_path: Path
) -> None:
    new = release(tmp_path, NEWER.replace("pop()", "pop(0)"))
    run("rebase", new, tmp_path / "work")
    assert f"removed: {project.file('lend-the-oldest')}" in run("export", tmp_path / "work")


def test_the_pinned_archive_is_no_newer_one(run: Run, project: Project, tmp_path: Path) -> None:
    said = run("rebase", project.archive_file, tmp_path / "work", fails=True)
    assert "is the pinned archive already" in said


def test_a_changed_licence_is_pointed_out(run: Run, tmp_path: Path) -> None:
    new = tmp_path / "madeup-1.1.tar.gz"
    new.write_bytes(sdist("1.1", NEWER, LICENSE="Ask first.\n"))
    assert "LICENSE has changed: read it" in run("rebase", new, tmp_path / "work")


def test_a_pin_that_cannot_be_moved_stays(run: Run, project: Project, tmp_path: Path) -> None:
    before = project.tree.pin.read_text()
    new = tmp_path / "other-1.0.tar.gz"
    new.write_bytes(b"no archive")
    assert "is no tar archive" in run("rebase", new, tmp_path / "work", fails=True)
    assert project.tree.pin.read_text() == before


def test_where_the_archive_cannot_be_kept_the_variable_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    printed = run("rebase", release(tmp_path, NEWER), tmp_path / "work")
    assert "madeup-1.1.tar.gz: not kept: " in printed
    assert "set GEVENTCONNPOOL_SDIST to a copy" in run("check", fails=True)
