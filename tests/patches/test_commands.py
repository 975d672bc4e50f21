"""`python -m upstream`: fetch, apply, check and show, on a made-up project."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import upstream.__main__
from tests.patches.conftest import Run
from tests.patches.environment import run as run_program
from tests.patches.project import BASE, Project, header, replace
from upstream.patch import render
from upstream.pin import read_pin, sha256, write_pin
from upstream.tree import Tree, write_if_changed


def test_fetch_says_where_the_archive_came_from(run: Run, project: Project) -> None:
    assert run("fetch").rstrip().endswith(f"from {project.archive_file}")


def test_apply_writes_the_packages_pool(run: Run, project: Project) -> None:
    assert "3 patches, written" in run("apply")
    assert project.tree.pool.read_text() == project.text


def test_apply_leaves_an_up_to_date_file_alone(run: Run, project: Project) -> None:
    run("apply")
    before = project.tree.pool.stat().st_mtime_ns
    assert "up to date" in run("apply")
    assert project.tree.pool.stat().st_mtime_ns == before


def test_apply_upto_stops_after_the_named_patch(run: Run, project: Project, tmp_path: Path) -> None:
    run("apply", "--upto", "lend-the-oldest", "-o", tmp_path / "out.py")
    expected = BASE.replace("old_home", "new_home").replace("pop()", "pop(0)")
    assert (tmp_path / "out.py").read_text() == expected
    assert not project.tree.pool.exists()


def test_apply_compatibility_is_an_upstream_that_runs(run: Run, tmp_path: Path) -> None:
    run("apply", "--compatibility", "-o", tmp_path / "out.py")
    assert (tmp_path / "out.py").read_text() == BASE.replace("old_home", "new_home")


def test_a_name_that_no_patch_has_is_an_error(run: Run) -> None:
    assert (
        run("apply", "--upto", "nothing", fails=True)
        == "upstream: no patch nothing in the series\n"
    )


def test_check_passes_on_what_fits(run: Run, project: Project) -> None:
    assert run("check") == f"3 patches on madeup-1.0.tar.gz: sha256 {sha256(project.text)}\n"


def test_check_finds_a_patch_edited_by_hand(run: Run, project: Project) -> None:
    edit(project, "lend-the-oldest", "pop(0)", "pop(1)")
    said = run("check", fails=True)
    assert "lend-the-oldest.patch: Post-SHA256 is" in said
    assert "restore it from git" in said


def test_check_finds_a_patch_edited_by_hand_with_its_hash(run: Run, project: Project) -> None:
    change = "d7 1\na7 1\n    thing = things.pop(0)\n"
    longer = "d7 2\na8 2\n    thing = things.pop(0)\n    return thing\n"
    edit(project, "lend-the-oldest", change, longer)
    assert "lend-the-oldest.patch: not as `export` writes it" in run("check", fails=True)


def test_check_finds_patches_that_do_not_follow_each_other(run: Run, project: Project) -> None:
    project.names[:2] = reversed(project.names[:2])
    edit(project, "move-the-import", "Reason: compatibility", "Reason: seam")
    project.write_series()
    assert "lend-the-oldest.patch: Pre-SHA256 is" in run("check", fails=True)


def test_check_finds_a_patch_that_changes_nothing(run: Run, project: Project) -> None:
    project.patch("change-nothing", lambda text: text)
    assert "change-nothing.patch: changes nothing; remove it" in run("check", fails=True)


def test_check_finds_a_result_that_is_not_the_pins(run: Run, project: Project) -> None:
    write_pin(project.tree.pin, {("result", "sha256"): "0" * 64})
    assert "expected a result of sha256 000" in run("check", fails=True)


def test_writing_the_pin_keeps_every_other_line(project: Project) -> None:
    before = project.tree.pin.read_text()
    write_pin(project.tree.pin, {("result", "sha256"): "0" * 64})
    assert read_pin(project.tree.pin).result == "0" * 64
    assert project.tree.pin.read_text() == before.replace(sha256(project.text), "0" * 64)


def test_show_renders_a_unified_diff_with_its_header(run: Run, project: Project) -> None:
    assert run("show", "limit-from-outside").split("\n") == [
        "patches/limit-from-outside.patch",
        *project.file("limit-from-outside").read_text().partition("---\n")[0].split("\n"),
        "--- a/pool.py",
        "+++ b/pool.py",
        "@@ -1,6 +1,7 @@",
        " import new_home",
        " ",
        "-LIMIT = 3",
        "+LIMIT = 3 + 1",
        "+MORE = 2",
        " ",
        " ",
        " def lend(things):",
        "",
        "",
    ]


def test_show_without_a_name_renders_all_in_order(run: Run, project: Project) -> None:
    titles = [line for line in run("show").split("\n") if line.startswith("patches/")]
    assert titles == [f"patches/{name}.patch" for name in project.names]


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_show_is_coloured_on_a_terminal_unless_no_color(
    run: Run, monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b[32m+LIMIT" in run("show")) is coloured


def test_every_command_has_a_line_of_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        upstream.__main__.main(["--help"])
    printed = capsys.readouterr().out
    for name in (
        "fetch",
        "apply",
        "check",
        "show",
        "checkout",
        "export",
        "rebase",
        "sbom",
        "release",
        "borrowed",
    ):
        assert f"\n    {name} " in printed


def edit(project: Project, name: str, old: str, new: str) -> None:
    file = project.file(name)
    file.write_text(replace(old, new)(file.read_text()))


def test_the_project_writes_patches_as_the_tools_do(project: Project) -> None:
    before = BASE.replace("old_home", "new_home")
    after = before.replace("pop()", "pop(0)")
    file = project.file("lend-the-oldest")
    assert not write_if_changed(file, render(header(), before, after))


def test_what_is_not_installed_is_named_with_the_command_that_brings_it(tree: Tree) -> None:
    done = run_program(sys.executable, "-S", "-m", "upstream", "sbom", cwd=tree.root, fails=True)
    assert done.stderr.startswith("upstream: No module named 'cyclonedx'")
    assert "pip install --editable '.[dev]'" in done.stderr
