"""Every way to install gives the pinned result, and those that need no network use none.

`pip install .` and `uv pip install .` are run as a user runs them, with the package index and an
empty cache. All other builds take setuptools and pip from a folder that is filled once, and
upstream's archive from where the tests have it already.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

from tests.patches.environment import NO_NETWORK, UV, Environment, run
from tests.patches.shop import Shop, read_wheel
from upstream.archive import Archive
from upstream.borrowed import files
from upstream.pin import read_pin, sha256
from upstream.tree import Tree, this_tree


@pytest.fixture
def empty_cache(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def assert_installed(environment: Environment, tree: Tree, *, editable: bool = False) -> None:
    pool = environment.where("geventconnpool_gov").with_name("pool.py")
    assert sha256(pool.read_bytes()) == read_pin(tree.pin).result
    assert environment.where("geventconnpool").name == "geventconnpool.py"
    licences = environment.folder.glob("lib/*/site-packages/geventconnpool_gov-*/licenses/*")
    assert {file.name for file in licences} == ({"LICENSE"} if editable else {"LICENSE", "NOTICE"})


def test_building_leaves_the_source_tree_without_built_files(shop: Shop) -> None:
    assert not Tree(shop.source).pool.exists()
    assert not Tree(shop.source).notice.exists()
    assert not list((shop.source / "upstream").glob("*.tar.gz"))


def test_the_wheel_holds_the_package_and_the_import_name(shop: Shop, tree: Tree) -> None:
    content = read_wheel(shop.wheel)
    tops = {name.partition("/")[0] for name in content}
    assert tops == {shop.info, "geventconnpool_gov", "geventconnpool.py"}
    assert sha256(content["geventconnpool_gov/pool.py"]) == read_pin(tree.pin).result
    assert "geventconnpool_gov/py.typed" in content


def test_the_wheel_credits_upstream_beside_its_own_licence(shop: Shop, archive: Archive) -> None:
    content = read_wheel(shop.wheel)
    header = content[f"{shop.info}/METADATA"].decode().partition("\n\n")[0].split("\n")
    for name in ("LICENSE", "NOTICE"):
        assert f"License-File: {name}" in header
        assert f"{shop.info}/licenses/{name}" in content
    notice = content[f"{shop.info}/licenses/NOTICE"].decode()
    assert "by Giovanni Bajo, under the MIT licence" in notice
    assert notice.endswith(archive.read("LICENSE").decode())


def test_the_wheel_holds_every_module_of_the_package(shop: Shop) -> None:
    here = (shop.source / "geventconnpool_gov").rglob("*.py")
    assert {str(file.relative_to(shop.source)) for file in here} <= set(read_wheel(shop.wheel))


def test_the_sdist_carries_the_archive_and_nothing_built(shop: Shop, tree: Tree) -> None:
    with tarfile.open(shop.sdist) as tar:
        names = {entry.name.partition("/")[2] for entry in tar if entry.isfile()}
    pin = read_pin(tree.pin)
    assert f"upstream/{pin.archive}" in names
    assert not names & {"geventconnpool_gov/pool.py", "upstream/built/NOTICE"}
    here = {str(file.relative_to(shop.source)) for file in files(shop.source)}
    assert {name for name in here if not name.endswith(".pyc")} - names == set()


def test_pip_install_of_the_tree(
    environment: Environment, working_tree: Tree, empty_cache: dict[str, str]
) -> None:
    environment.pip("install", "--no-deps", working_tree.root, env=empty_cache)
    assert_installed(environment, working_tree)


def test_an_editable_install_builds_once_and_into_the_tree(
    environment: Environment, working_tree: Tree, shop: Shop
) -> None:
    editable = ("install", "--no-deps", "--editable", working_tree.root)
    environment.pip(*editable, env=shop.settings)
    assert_installed(environment, working_tree, editable=True)
    assert environment.where("geventconnpool_gov").parent == working_tree.pool.parent
    built = working_tree.pool.stat().st_mtime_ns
    environment.pip(*editable, env=shop.settings)
    assert working_tree.pool.stat().st_mtime_ns == built


@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_uv_pip_install_of_the_tree(
    environment: Environment, working_tree: Tree, empty_cache: dict[str, str]
) -> None:
    settings = {**empty_cache, "VIRTUAL_ENV": str(environment.folder)}
    run(UV, "pip", "install", "--no-deps", "--no-cache", working_tree.root, env=settings)
    assert_installed(environment, working_tree)


def test_install_of_the_wheel(environment: Environment, tree: Tree, shop: Shop) -> None:
    environment.pip("install", "--no-deps", shop.wheel, env=NO_NETWORK)
    assert_installed(environment, tree)


def test_install_of_the_sdist_without_network(
    environment: Environment, tree: Tree, shop: Shop, tmp_path: Path
) -> None:
    variables = {**shop.offline, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pip("install", "--no-deps", "--no-cache-dir", shop.sdist, env=variables)
    assert_installed(environment, tree)


def test_install_of_the_sdist_without_network_and_without_isolation(
    environment: Environment, tree: Tree, shop: Shop, tmp_path: Path
) -> None:
    environment.pip("install", "setuptools", env=shop.offline)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir")
    variables = {**NO_NETWORK, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pip("install", *options, shop.sdist, env=variables)
    assert_installed(environment, tree)


def test_a_plain_install_runs(environment: Environment, shop: Shop) -> None:
    environment.pip("install", shop.wheel)
    said = environment.say(
        "import geventconnpool, geventconnpool_gov.pool as ours\n"
        "from geventconnpool.pool import ConnectionPool, retry\n"
        "assert geventconnpool.pool is ours and geventconnpool.ConnectionPool is ConnectionPool\n"
        "print(ConnectionPool.__module__)"
    )
    assert said == "geventconnpool_gov.pool"
    assert "No broken requirements" in environment.pip("check")


def test_pip_shows_one_line_when_the_build_stops(
    environment: Environment, working_tree: Tree, shop: Shop
) -> None:
    patch = sorted(working_tree.patches.glob("*.patch"))[0]
    patch.write_text(patch.read_text() + "d1 1\n")
    said = environment.pip("install", working_tree.root, fails=True, env=shop.settings)
    (line,) = (line for line in said.split("\n") if "geventconnpool_gov cannot be built" in line)
    assert f"patches/{patch.name}" in line
    assert "[1 lines of output]" in said


def test_a_wheel_holds_nothing_of_an_earlier_build(working_tree: Tree, shop: Shop) -> None:
    stale = working_tree.root / "build" / "lib" / "geventconnpool_gov" / "stale.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel")
    run(*build, "-o", working_tree.root / "dist", working_tree.root, env=shop.settings)
    (wheel,) = (working_tree.root / "dist").glob("*.whl")
    assert "geventconnpool_gov/stale.py" not in read_wheel(wheel)


@pytest.fixture(scope="module")
def upstream_wheel(shop: Shop, archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the real upstream, built from its verified archive."""
    folder = tmp_path_factory.mktemp("upstream")
    sdist = folder / read_pin(this_tree().pin).archive
    sdist.write_bytes(archive.content)
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, sdist, env=shop.offline)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("upstream_first", [True, False])
def test_a_real_upstream_beside_it_wins_and_neither_harms_the_other(
    environment: Environment, tree: Tree, shop: Shop, upstream_wheel: Path, upstream_first: bool
) -> None:
    wheels = [upstream_wheel, shop.wheel] if upstream_first else [shop.wheel, upstream_wheel]
    for wheel in wheels:
        environment.pip("install", "--no-deps", wheel, env=NO_NETWORK)
    assert environment.where("geventconnpool").parent.name == "geventconnpool"
    for wheel in wheels:
        assert_whole(environment, wheel)
    environment.pip("uninstall", "--yes", "geventconnpool")
    assert_installed(environment, tree)
    assert_whole(environment, shop.wheel)


def test_without_the_fork_a_real_upstream_is_whole(
    environment: Environment, shop: Shop, upstream_wheel: Path
) -> None:
    environment.pip("install", "--no-deps", upstream_wheel, shop.wheel, env=NO_NETWORK)
    environment.pip("uninstall", "--yes", "geventconnpool-gov")
    assert_whole(environment, upstream_wheel)


def assert_whole(environment: Environment, wheel: Path) -> None:
    """Every module of `wheel` is installed as it stands in there."""
    (site,) = environment.folder.glob("lib/python*/site-packages")
    for name, content in read_wheel(wheel).items():
        if name.endswith(".py"):
            assert (site / name).read_bytes() == content
