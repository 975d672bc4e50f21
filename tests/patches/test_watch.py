"""A release that nobody has looked at is found, and the words say what to do."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.patches.conftest import Run
from tests.patches.manual import copy_of
from tests.patches.project import Project
from tests.patches.test_going_elsewhere import TREE
from upstream.changes import changes
from upstream.errors import UpstreamError
from upstream.releases import before_it, is_preview, newer, released, unseen
from upstream.tree import Tree
from upstream.watch import Trial, run_suite, watch

Index = Path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """A package index on this machine, the only one that pip knows."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    put(tmp_path / "simple", "gevent", "21.1.0", "22.10.2", "25.9.1", "26.9.0")
    put(tmp_path / "simple", "madeup", "0.9", "1.0")
    return tmp_path / "simple"


def put(index: Index, name: str, *versions: str) -> None:
    """Have the index list these versions of a project, and no other."""
    links = [f'<a href="{name}-{v}.tar.gz">{name}-{v}.tar.gz</a>\n' for v in versions]
    (index / name).mkdir(parents=True, exist_ok=True)
    (index / name / "index.html").write_text("".join(links))


@pytest.fixture
def watched(project: Project, index: Index, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A made-up project whose page of compatibility names every gevent from 22.10.2 on."""
    setup = "[options]\ninstall_requires =\n    gevent>=22.10.2\n"
    (project.root / "setup.cfg").write_text(setup)
    (project.root / "COMPATIBILITY.md").write_text("| 22.10.2 | 25.9.1 | 26.9.0 |\n")

    passing = Trial(True, ("passed",))
    monkeypatch.setattr("upstream.__main__.run_suite", lambda *_, arguments: passing)
    monkeypatch.setattr("upstream.__main__.changes", unchanged)
    return project


def unchanged(name: str, before: str, after: str) -> list[str]:
    return []


def put_wheel(index: Index, version: str, **modules: str) -> None:
    """Have the index offer a wheel of gevent with these modules, by their names."""
    wheel = index / "gevent" / f"gevent-{version}-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    with ZipFile(wheel, "w") as archive:
        for name, text in modules.items():
            archive.writestr(f"gevent/{name.replace('_in_', '/')}.py", text)
        about, kind = f"gevent-{version}.dist-info", "Root-Is-Purelib: true\nTag: py3-none-any\n"
        named = f"Metadata-Version: 2.1\nName: gevent\nVersion: {version}\n"
        archive.writestr(f"{about}/METADATA", named)
        archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\n{kind}")
        archive.writestr(f"{about}/RECORD", "")
    with (index / "gevent" / "index.html").open("a") as page:
        page.write(f'<a href="{wheel.name}">{wheel.name}</a>\n')


def test_the_index_is_asked_for_all_releases_newest_first(index: Index) -> None:
    put(index, "gevent", "26.9.0", "27.1.0rc1", "22.10.2", "26.10.0")
    assert released("gevent") == ["27.1.0rc1", "26.10.0", "26.9.0", "22.10.2"]


def test_a_project_that_the_index_does_not_have_is_an_error(index: Index) -> None:
    with pytest.raises(UpstreamError, match=r"says nothing of nobodys: ERROR: No matching"):
        released("nobodys")


def test_a_version_is_seen_where_the_page_names_it_as_a_whole(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Tried 26.9.0, `25.9.1`; 26.10.01 and 1.26.10.0 and 27.1.0rc12 are others.\n")
    versions = ["27.1.0rc1", "26.10.0", "26.9.0", "25.9.1", "22.10.2", "21.1.0"]
    assert unseen(versions, "22.10.2", page) == ["27.1.0rc1", "26.10.0"]


def test_a_pre_release_of_something_that_was_tried_is_old(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| 26.9.0 |\n")
    versions = ["27.1.0rc1", "26.9.0", "26.9.0rc2", "25.9.1", "22.10.2"]
    assert unseen(versions, "22.10.2", page) == ["27.1.0rc1", "25.9.1"]


def test_a_release_is_compared_with_the_release_before_it() -> None:
    versions = ["27.1.0", "27.1.0rc2", "27.1.0rc1", "26.9.0", "22.10.2"]
    for version in versions[:3]:
        assert before_it(versions, version) == "26.9.0"


def test_what_changed_is_told_by_module(index: Index) -> None:
    put_wheel(index, "26.8.0", hub="a\nb\nc\n", lock="a\n", old="", tests_in_hub="a\n")
    put_wheel(index, "26.9.0", hub="a\nx\ny\nc\nd\n", lock="a\n", _ffi_in_loop="", tests_in_hub="")
    assert changes("gevent", "26.8.0", "26.9.0") == [
        "_ffi/loop.py is new",
        "hub.py +3 -1",
        "old.py is gone",
    ]


def test_a_release_without_a_wheel_is_told_of_all_the_same(watched: Project, index: Index) -> None:
    put(index, "gevent", "22.10.2", "26.9.0", "26.9.1")
    (news,) = watch(watched.tree, lambda *_: Trial(False, ("1 failed",)), changes)
    assert news.lines[2].startswith("  changed since 26.9.0: no wheel of gevent 26.9.0: ERROR: ")


def test_what_came_after_the_pin_is_newer() -> None:
    assert newer(["2.0rc1", "1.1", "1.0", "0.9"], "1.0") == ["2.0rc1", "1.1"]
    assert newer(["1.0"], "1.0") == []


@pytest.mark.parametrize(("version", "preview"), [("26.9.0", False), ("26.9.0.post1", False)])
@pytest.mark.parametrize(("more", "more_preview"), [("", False), ("rc1", True), (".dev3", True)])
def test_a_pre_release_is_known_by_its_name(
    version: str, preview: bool, more: str, more_preview: bool
) -> None:
    assert is_preview(version + more) is (preview or more_preview)


def test_nothing_new_ends_well(run: Run, watched: Project) -> None:
    assert run("watch") == "nothing calls for anything\n"


def test_a_scheduled_job_fails_where_something_is_to_be_done(
    run: Run, watched: Project, index: Index
) -> None:
    put(index, "gevent", "22.10.2", "26.9.0", "26.10.0")
    said = run("watch", "tests/test_ledger.py", fails=True)
    assert said == "upstream: releases that call for something: 1\n"


def test_a_gevent_that_passes_is_to_be_entered(watched: Project, index: Index) -> None:
    put(index, "gevent", "22.10.2", "26.9.0", "26.9.1")
    passing = Trial(True, ("1,000 passed",))
    (news,) = watch(watched.tree, lambda *_: passing, lambda *which: [f"hub of {which}"])
    assert news.lines == (
        "gevent 26.9.1 is not in COMPATIBILITY.md",
        "  1,000 passed",
        "  changed since 26.9.0: hub of ('gevent', '26.9.0', '26.9.1')",
        "  do: make matrix, and commit COMPATIBILITY.md",
    )


def test_a_gevent_that_fails_says_which_tests_and_what_to_do(
    watched: Project, index: Index
) -> None:
    put(index, "gevent", "22.10.2", "26.9.0", "27.1.0rc1")
    failing = Trial(False, ("FAILED a::b", "1 failed"))
    (news,) = watch(watched.tree, lambda *_: failing, unchanged)
    assert news.urgent
    assert news.lines[1:3] == ("  FAILED a::b", "  1 failed")
    assert "section 4 of MAINTAINING.md" in news.lines[-1]


def test_a_pre_release_that_passes_calls_for_nothing(
    run: Run, watched: Project, index: Index
) -> None:
    put(index, "gevent", "22.10.2", "26.9.0", "27.1.0rc1")
    printed = run("watch")
    assert (
        "gevent 27.1.0rc1 is not in COMPATIBILITY.md\n  passed\n  changed since 26.9.0: " in printed
    )


def test_a_newer_upstream_is_named_and_not_run(watched: Project, index: Index) -> None:
    put(index, "madeup", "0.9", "1.0", "1.1")
    (news,) = watch(watched.tree, lambda *_: pytest.fail("run"), unchanged)
    assert news.lines[0] == "madeup 1.1 is there, and 1.0 is pinned"
    assert "section 5 of MAINTAINING.md" in news.lines[1]


def test_a_project_without_its_page_of_compatibility_is_told(run: Run, watched: Project) -> None:
    (watched.root / "COMPATIBILITY.md").unlink()
    assert "COMPATIBILITY.md: cannot be read" in run("watch", fails=True)


def test_the_workflow_runs_what_a_maintainer_runs(tree: Tree) -> None:
    workflow = (tree.root / ".github" / "workflows" / "checks.yml").read_text()
    commands = {line.partition("run: ")[2] for line in workflow.split("\n") if "- run: " in line}
    assert commands == {"./.ci/run", "make matrix", "make watch"}
    assert (tree.root / ".ci" / "run").stat().st_mode & 0o111
    makefile = (tree.root / "Makefile").read_text()
    assert "\nmatrix: " in makefile
    assert "\nwatch: " in makefile


def test_the_suite_runs_on_a_gevent_of_the_index(tree: Tree, tmp_path: Path) -> None:
    copied = copy_of(tree, tmp_path / "tree", *TREE, "tests")
    (copied.root / "tests" / "test_bad.py").write_text("def test_bad():\n    assert False\n")
    tests = ("tests/test_ledger.py", "tests/test_bad.py")
    trial = run_suite(copied, metadata.version("gevent"), tests)
    assert not trial.passed
    assert trial.said[0].startswith("FAILED tests/test_bad.py::test_bad")
    assert "1 failed, " in trial.said[1]


def test_a_gevent_that_cannot_be_installed_says_so(tree: Tree, tmp_path: Path) -> None:
    trial = run_suite(copy_of(tree, tmp_path / "tree", *TREE), "0.0.1")
    assert not trial.passed
    assert "gevent==0.0.1" in trial.said[-1]
