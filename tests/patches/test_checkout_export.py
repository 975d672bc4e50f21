"""Patches become commits and come back byte for byte; what would lose something is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.patches.conftest import Run
from tests.patches.project import BASE, Project, header, replace
from upstream.header import render_message
from upstream.pin import read_pin, sha256
from upstream.tree import Tree


@pytest.fixture
def work(run: Run, tmp_path: Path) -> Path:
    """Return a checkout of the made-up project."""
    run("checkout", tmp_path / "work")
    return tmp_path / "work"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A. Nyone", "-c", "user.email=a@example.invalid")
    command = ["git", *identity, *arguments]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout


def commit(folder: Path, old: str, new: str, message: str) -> None:
    file = folder / "pool.py"
    file.write_text(replace(old, new)(file.read_text()))
    git(folder, "commit", "--all", "--message", message)


def content(tree: Tree) -> dict[str, bytes]:
    files = [*tree.patches.iterdir(), tree.pin]
    return {file.name: file.read_bytes() for file in files}


def test_the_first_commit_is_upstreams_and_each_other_a_patch(work: Path, project: Project) -> None:
    assert git(work, "show", "upstream:pool.py") == BASE
    named = git(work, "log", "--reverse", "--format=%(trailers:key=Patch,valueonly)", "upstream..")
    assert named.split() == project.names
    assert (work / "pool.py").read_text() == project.text


def test_the_same_patches_give_the_same_commits(run: Run, work: Path, tmp_path: Path) -> None:
    run("checkout", tmp_path / "again")
    assert git(work, "rev-parse", "HEAD") == git(tmp_path / "again", "rev-parse", "HEAD")


def test_checkout_takes_no_folder_that_holds_something(run: Run, tmp_path: Path) -> None:
    assert "is not an empty folder" in run("checkout", tmp_path, fails=True)


def test_personal_settings_of_git_change_nothing(
    run: Run, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[commit]\n gpgSign = true\n[core]\n autocrlf = true\n[user]\n name =\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    before = content(project.tree)
    run("checkout", tmp_path / "work")
    run("export", tmp_path / "work")
    assert content(project.tree) == before


def test_a_commit_asks_nobody_for_a_name_or_a_signature(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[commit]\n gpgSign = true\n[user]\n useConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    for role in ("AUTHOR", "COMMITTER"):
        for key in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{key}", raising=False)
    command = ["git", "commit", "--quiet", "--allow-empty", "--message=mine"]
    subprocess.run(command, cwd=work, check=True)


def test_export_of_an_unchanged_checkout_changes_no_byte(
    run: Run, work: Path, project: Project
) -> None:
    before = content(project.tree)
    run("export", work)
    assert content(project.tree) == before


def test_a_changed_commit_changes_its_patch_the_hashes_and_the_pin(
    run: Run, work: Path, project: Project
) -> None:
    before = content(project.tree)
    file = work / "pool.py"
    file.write_text(replace("MORE = 2", "MORE = 5")(file.read_text()))
    git(work, "commit", "--all", "--amend", "--no-edit")
    run("export", work)
    after = content(project.tree)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"limit-from-outside.patch", "pin.cfg"}
    assert read_pin(project.tree.pin).result == sha256(file.read_text())
    assert "3 patches" in run("check")


def test_a_new_commit_becomes_a_new_patch(run: Run, work: Path, project: Project) -> None:
    commit(work, "append", "insert", render_message("insert-it", header()))
    printed = run("export", work)
    assert f"written: {project.file('insert-it')}" in printed
    assert (
        (project.tree.patches / "series").read_text().endswith("outside.patch\ninsert-it.patch\n")
    )
    assert "4 patches" in run("check")


def test_a_commit_that_is_gone_takes_its_patch_with_it(
    run: Run, work: Path, project: Project
) -> None:
    git(work, "reset", "--hard", "HEAD^")
    assert f"removed: {project.file('limit-from-outside')}" in run("export", work)
    assert "2 patches" in run("check")


def test_remarks_in_the_series_stay_with_their_names(
    run: Run, work: Path, project: Project
) -> None:
    series = project.tree.patches / "series"
    lines = "# top\n\n# first\nmove-the-import.patch\n# second\nlend-the-oldest.patch\n\n# third\n"
    series.write_text(f"{lines}limit-from-outside.patch\n# end\n")
    run("export", work)
    assert series.read_text() == f"{lines}limit-from-outside.patch\n# end\n"
    git(work, "reset", "--hard", "HEAD^")
    run("export", work)
    assert series.read_text() == lines.removesuffix("\n# third\n") + "# end\n"


def test_export_elsewhere_leaves_the_pin_and_the_patches(
    run: Run, work: Path, project: Project, tmp_path: Path
) -> None:
    commit(work, "append", "insert", render_message("insert-it", header()))
    before = content(project.tree)
    run("export", work, "--patches", tmp_path / "there")
    assert content(project.tree) == before
    assert (tmp_path / "there" / "insert-it.patch").is_file()


def test_a_commit_without_fields_is_told_what_it_lacks(run: Run, work: Path) -> None:
    commit(work, "append", "insert", "Insert it.")
    said = run("export", work, fails=True)
    assert "(Insert it.): the message must end in a paragraph of fields: Patch, Reason" in said


def test_a_commit_that_changes_nothing_is_refused(run: Run, work: Path) -> None:
    git(work, "commit", "--allow-empty", "--message", render_message("nothing", header()))
    assert "(Mend a thing.): changes nothing" in run("export", work, fails=True)


def test_a_commit_of_another_file_is_refused(run: Run, work: Path) -> None:
    (work / "notes.txt").write_text("notes\n")
    git(work, "add", "notes.txt")
    commit(work, "append", "insert", render_message("insert-it", header()))
    assert "changes notes.txt; a patch changes pool.py alone" in run("export", work, fails=True)


def test_two_commits_of_one_name_are_refused(run: Run, work: Path) -> None:
    commit(work, "append", "insert", render_message("lend-the-oldest", header()))
    assert "a second patch lend-the-oldest" in run("export", work, fails=True)


def test_what_is_not_committed_is_not_lost_silently(run: Run, work: Path) -> None:
    (work / "pool.py").write_text("changed\n")
    assert "has changes that are not committed" in run("export", work, fails=True)


def test_an_unfinished_rebase_is_not_exported(run: Run, work: Path) -> None:
    (work / ".git" / "rebase-merge").mkdir()
    assert "a rebase, cherry-pick or merge is not finished" in run("export", work, fails=True)


def test_a_base_that_is_not_the_pinned_file_is_refused(run: Run, work: Path) -> None:
    git(work, "tag", "--force", "upstream", "HEAD^")
    assert "the tag upstream holds a pool.py of sha256" in run("export", work, fails=True)


def test_a_folder_that_checkout_did_not_make_is_refused(run: Run, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert "it has no tag upstream" in run("export", tmp_path, fails=True)


def test_nothing_is_written_when_a_commit_is_not_good(
    run: Run, work: Path, project: Project
) -> None:
    before = content(project.tree)
    commit(work, "append", "insert", render_message("insert-it", header()))
    commit(work, "insert", "append", "no fields")
    run("export", work, fails=True)
    assert content(project.tree) == before
