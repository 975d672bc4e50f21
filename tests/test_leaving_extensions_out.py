"""Each extension's patch can be taken out of the series, and what remains works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Each extension's patch, and an argument that is gone with it.
EXTENSIONS = {
    "breathe-with-the-load": "idle_timeout",
    "end-lifetimes": "max_lifetime",
    "check-before-lending": "check_after",
    "tell-the-figures": "leak_after",
}

USE = """
import gevent, inspect, sys
from geventconnpool_gov import ConnectionPool

class Pool(ConnectionPool):
    def _new_connection(self) -> object:
        return object()

others = dict(idle_timeout=60, max_lifetime=60, check_after=60, leak_after=60)
del others[sys.argv[1]]
try:
    Pool(2, **{sys.argv[1]: 60})
except TypeError as error:
    assert sys.argv[1] in str(error)
else:
    raise AssertionError("the argument is still there")
with Pool(2, min_size=1, **others) as pool:
    def use():
        with pool.get():
            gevent.sleep(0.01)
    gevent.joinall([gevent.spawn(use) for _ in range(10)], raise_error=True)
    assert len(pool.conn) == 2
    assert hasattr(pool, "stats") == ("leak_after" in others)
"""


@pytest.mark.parametrize("patch", EXTENSIONS)
def test_the_package_without_one_extension_builds_and_works(patch, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for part in ("upstream", "patches", "geventconnpool_gov"):
        shutil.copytree(ROOT / part, tree / part)

    def run(*command: str, cwd: Path = tree) -> str:
        done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
        return done.stdout

    def upstream(*arguments: str) -> None:
        run(sys.executable, "-m", "upstream", *arguments)

    series = tmp_path / "series"
    upstream("checkout", str(series))
    left_out = run("git", "log", "--format=%H", f"--grep=^Patch: {patch}$", cwd=series).strip()
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    run("git", *identity, "rebase", "--onto", f"{left_out}~1", left_out, cwd=series)
    upstream("export", str(series))
    upstream("check")
    upstream("apply")
    run(sys.executable, "-c", USE, EXTENSIONS[patch])


def test_without_gevent_the_package_is_imported_all_the_same_and_lists_its_names():
    program = (
        "import sys; sys.modules['gevent'] = None\n"
        "import geventconnpool_gov\n"
        "assert set(geventconnpool_gov.__all__) <= set(dir(geventconnpool_gov))\n"
        "assert not hasattr(geventconnpool_gov, 'ConnectionQueue')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True)
