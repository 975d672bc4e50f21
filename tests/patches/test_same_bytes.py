"""Two builds of one tree give the same bytes, wherever and however they are built."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.patches.environment import run
from tests.patches.shop import Shop
from upstream import same_bytes
from upstream.tree import Tree


def test_another_folder_umask_and_time_give_the_same_wheel_and_sdist(
    shop: Shop, working_tree: Tree, tmp_path: Path
) -> None:
    for path in working_tree.root.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    # The wheel is built from the tree here, and from the sdist in the shop.
    build = (sys.executable, "-m", "build", "--sdist", "--wheel", "-o", tmp_path / "dist")
    narrow = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    run(*narrow, *build, working_tree.root, env={**shop.settings, "TZ": "Asia/Tokyo"})
    for first in (shop.wheel, shop.sdist):
        assert (tmp_path / "dist" / first.name).read_bytes() == first.read_bytes()


@pytest.mark.parametrize("name", ["wheel", "sdist"])
def test_the_date_of_a_release_is_that_of_its_commit(
    shop: Shop, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / getattr(shop, name).name
    copy.write_bytes(getattr(shop, name).read_bytes())
    getattr(same_bytes, f"rewrite_{name}")(copy)
    assert copy.read_bytes() == getattr(shop, name).read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    getattr(same_bytes, f"rewrite_{name}")(copy)
    assert copy.read_bytes() != getattr(shop, name).read_bytes()
