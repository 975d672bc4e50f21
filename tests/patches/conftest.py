"""What the tests of the upstream tools share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import upstream.__main__
from tests.patches.environment import Environment
from tests.patches.project import Project, replace
from tests.patches.shop import Shop
from upstream.archive import Archive, fetch
from upstream.pin import read_pin
from upstream.tree import Tree, this_tree

Run = Callable[..., str]


@pytest.fixture
def tree() -> Tree:
    """Return the real project's tree."""
    return this_tree()


@pytest.fixture(scope="session")
def archive() -> Archive:
    """Return the real archive of upstream's."""
    return fetch(read_pin(this_tree().pin))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Shop:
    """Return what a build of this tree gives."""
    return Shop.open(tmp_path_factory.mktemp("shop"), archive)


@pytest.fixture
def working_tree(shop: Shop, tmp_path: Path) -> Tree:
    """Return a source tree of this test's own, in which nothing was built."""
    shutil.copytree(shop.source, tmp_path / "source")
    return Tree(tmp_path / "source")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return a virtual environment of this test's own, with nothing in it."""
    return Environment.make(tmp_path / "environment")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a made-up project with one patch of each of three reasons."""
    monkeypatch.delenv("GEVENTCONNPOOL_SDIST", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = Project(tmp_path / "project")
    project.patch(
        "move-the-import",
        replace("old_home", "new_home"),
        reason="compatibility",
        touches="imports",
    )
    project.patch("lend-the-oldest", replace("things.pop()", "things.pop(0)"))
    project.patch(
        "limit-from-outside", replace("LIMIT = 3\n", "LIMIT = 3 + 1\nMORE = 2\n"), reason="seam"
    )
    return project


@pytest.fixture
def run(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs a command in the made-up project and returns what it prints."""
    monkeypatch.setattr(upstream.__main__, "this_tree", lambda: project.tree)

    def run_command(*arguments: object, fails: bool = False) -> str:
        capsys.readouterr()
        code = upstream.__main__.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == int(fails), printed
        return printed.err if fails else printed.out

    return run_command
