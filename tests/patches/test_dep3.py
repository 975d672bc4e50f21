"""Others apply the series with the tools that they have, and none of it enters this tree."""

from __future__ import annotations

import email.parser
import subprocess
from pathlib import Path

import pytest

from tests.patches.conftest import Run
from tests.patches.project import BASE, Project
from upstream.__main__ import main
from upstream.archive import Archive
from upstream.pin import read_pin, sha256
from upstream.series import read_series
from upstream.tree import Tree


def unpacked(archive: Archive, folder: Path) -> Path:
    """Unpack an archive, as whoever packages it does, and return its top folder."""
    folder.mkdir()
    command = ["tar", "--extract", "--gzip", "--directory", str(folder)]
    subprocess.run(command, input=archive.content, check=True)
    return next(folder.iterdir())


@pytest.mark.parametrize("tool", [("patch", "-p1", "--fuzz=0", "--input"), ("git", "apply", "-p1")])
def test_the_series_applies_to_upstreams_archive_with_the_usual_tools(
    tree: Tree, archive: Archive, tmp_path: Path, tool: tuple[str, ...]
) -> None:
    out = tmp_path / "patches"
    assert main(["show", "--format=dep3", str(out)]) == 0
    top = unpacked(archive, tmp_path / "upstream")
    for name in (out / "series").read_text().split("\n")[1:-1]:
        subprocess.run([*tool, out / name], cwd=top, check=True, capture_output=True)
    pin = read_pin(tree.pin)
    assert sha256((top / pin.pool.path).read_bytes()) == pin.result
    assert not list(top.rglob("*.orig"))


def test_the_headers_are_those_of_dep3(run: Run, project: Project, tmp_path: Path) -> None:
    project.patch(
        "say-more",
        lambda text: text + "MORE = 3\n",
        origin="the fork",
        forwarded="no, nobody is there",
    )
    assert "4 patches and their series" in run("show", "--format=dep3", tmp_path / "out")
    text = (tmp_path / "out" / "say-more.patch").read_text()
    head, _, diff = text.partition("---\n")
    fields = email.parser.HeaderParser().parsestr(head)
    assert fields["Forwarded"] == "no"
    assert fields["Origin"] == "other, the fork"
    assert fields["Description"].startswith("Mend a thing.\n")
    assert fields["Description"].endswith("\n .\n Not forwarded: nobody is there.")
    assert diff.startswith("--- a/src/madeup/pool.py\n+++ b/src/madeup/pool.py\n@@ ")


def test_a_forwarding_that_dep3_knows_stands_as_it_is(
    run: Run, project: Project, tmp_path: Path
) -> None:
    project.patch("say-more", lambda text: text + "MORE = 3\n", forwarded="https://example.org/7")
    run("show", "--format=dep3", tmp_path / "out")
    assert "\nForwarded: https://example.org/7\n" in (tmp_path / "out/say-more.patch").read_text()


@pytest.mark.parametrize("inside", ["", "patches", "new/folder", "link"])
def test_a_folder_inside_the_tree_is_refused(
    run: Run, project: Project, tmp_path: Path, inside: str
) -> None:
    (tmp_path / "link").symlink_to(project.root)
    folder = tmp_path / "link" / "debian" if inside == "link" else project.root / inside
    before = sorted(project.root.rglob("*"))
    said = run("show", "--format=dep3", folder, fails=True)
    assert "is inside the tree, which holds no text of upstream's" in said
    assert sorted(project.root.rglob("*")) == before


def test_a_folder_that_holds_something_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "theirs.patch").touch()
    assert "is not an empty folder" in run("show", "--format=dep3", tmp_path / "out", fails=True)


def test_without_a_folder_it_says_what_is_missing(run: Run) -> None:
    assert "name the folder to write to" in run("show", "--format=dep3", fails=True)


def test_a_series_that_does_not_apply_leaves_nothing_half_written(
    run: Run, project: Project, tmp_path: Path
) -> None:
    file = project.file("limit-from-outside")
    file.write_text(file.read_text().replace("MORE = 2", "MORE = 5"))
    run("show", "--format=dep3", tmp_path / "out", fails=True)
    assert not (tmp_path / "out").exists()


def test_the_names_stand_in_the_order_of_the_series(
    run: Run, project: Project, tmp_path: Path
) -> None:
    run("show", "--format=dep3", tmp_path / "out")
    lines = (tmp_path / "out" / "series").read_text().split("\n")
    assert lines[0].startswith("# In the top folder of madeup-1.0, ")
    assert lines[1:-1] == [f"{patch.name}.patch" for patch in read_series(project.tree.patches)]
    assert BASE.split("\n")[0] in (tmp_path / "out" / lines[1]).read_text()
