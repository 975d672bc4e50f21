"""What MAINTAINING.md says to do on a bad day is done here, in its own words.

The next release of upstream's is made up while the test runs, from the pinned one.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.patches.manual import copy_of, follow, steps
from upstream.archive import Archive
from upstream.pin import read_pin, sha256
from upstream.series import read_series, states
from upstream.tree import Tree

VERSION = "0.3"

USE = """
import gevent
from {module} import ConnectionPool

class Pool(ConnectionPool):
    def _new_connection(self) -> object:
        return object()

pool = Pool(2)
def use():
    with pool.get():
        gevent.sleep(0.01)
gevent.joinall([gevent.spawn(use) for _ in range(10)], raise_error=True)
"""


@pytest.fixture
def copied(tree: Tree, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A copy of the tree, in which files may be written; `../next` and the like are free.

    It carries the pinned archive, and the next one is kept in a cache of this test's own.
    """
    monkeypatch.delenv("GEVENTCONNPOOL_SDIST", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parts = ("setup.cfg", "upstream", "patches", "geventconnpool_gov")
    copied = copy_of(tree, tmp_path / "tree", *parts)
    read_pin(copied.pin).carried.write_bytes(archive.content)
    return copied


def use(tree: Tree, module: str = "geventconnpool_gov", before: str = "") -> str:
    """Use a pool of a tree, and return how that ended: an error's last line, or nothing."""
    program = before + USE.format(module=module)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("\n")[2]


# -- a new release of upstream's


def changed_upstream(text: str) -> str:
    """Return what upstream's next release makes of a text: a rename, a fix and a moved block.

    Where a text no longer has the place, nothing: so this is what its authors would have done to
    each state of the series, and what a person makes of a conflict.
    """
    text = text.replace("DEFAULT_EXC_CLASSES", "BROKEN_BY").replace("spawn_later(1, ", "spawn(")
    top, mark, rest = text.partition("\n\n\nclass ")
    body, moved, block = rest.partition("\n\n\ndef retry(")
    return f"{top}{moved}{block.rstrip()}{mark}{body}\n" if moved else text


@pytest.fixture
def upstreams_next(tree: Tree, archive: Archive, tmp_path: Path) -> Path:
    """The archive of a made-up next release."""
    pin = read_pin(tree.pin)
    content = {path: archive.read(path) for path in archive.names()}
    content[pin.pool.path] = changed_upstream(archive.member(pin.pool)).encode()
    file = tmp_path / f"{pin.name}-{VERSION}.tar.gz"
    with tarfile.open(file, mode="w:gz") as tar:
        for path, member in content.items():
            entry = tarfile.TarInfo(f"{pin.name}-{VERSION}/{path}")
            entry.size = len(member)
            tar.addfile(entry, io.BytesIO(member))
    return file


def test_the_series_moves_onto_a_next_upstream_as_the_manual_says(
    copied: Tree, archive: Archive, upstreams_next: Path
) -> None:
    old = read_pin(copied.pin)
    wanted = {
        patch.name: changed_upstream(after)
        for patch, _, after in states(read_series(copied.patches), archive.member(old.pool))
    }
    rebase, look, go_on, finish, _ = steps("5. A new upstream release")
    said = follow(rebase, copied, NEXT=upstreams_next)
    assert f"now names {old.name} {VERSION}" in said
    conflicts = []
    while "CONFLICT" in said:
        marked = copied.root.parent / "next" / "pool.py"
        assert "<<<<<<< " in marked.read_text()
        shown = follow(look, copied)
        conflicts += [name for name in wanted if f"Patch: {name}\n" in shown]
        assert "+BROKEN_BY" in shown  # what upstream changed
        marked.write_text(wanted[conflicts[-1]])
        said = follow(go_on, copied, fails=None)
    assert "Successfully rebased" in said
    assert 3 <= len(conflicts) == len(set(conflicts))
    said = follow(finish, copied)
    assert f"{len(wanted)} patches on {upstreams_next.name}" in said
    pin = read_pin(copied.pin)
    assert (pin.version, pin.result) == (VERSION, sha256(list(wanted.values())[-1]))
    assert sha256(copied.pool.read_bytes()) == pin.result
    assert use(copied) == ""


def test_a_rebase_that_is_given_up_leaves_nothing_behind(
    copied: Tree, upstreams_next: Path
) -> None:
    (copied.root / ".gitignore").write_text("__pycache__/\n")
    follow("git init --quiet && git add --all && git commit --quiet --message=all", copied)
    rebase, *_, give_up = steps("5. A new upstream release")
    follow(rebase, copied, NEXT=upstreams_next)
    (copied.patches / "of-the-next.patch").touch()
    copied.pool.write_text("# of the next\n")
    assert "pin.cfg" in follow("git status --short", copied)
    follow(give_up, copied)
    assert follow("git status --short", copied) == ""
    assert not (copied.root.parent / "next").exists()


# -- a gevent that has moved its locks once more

MOVED = """
import sys, gevent, gevent.lock, gevent.threadpool
gevent.mutexes = sys.modules["gevent.mutexes"] = sys.modules.pop("gevent.lock")
sys.modules["gevent.lock"] = None
del gevent.lock
"""


def test_a_gevent_without_the_module_of_locks_does_no_harm_to_the_fork(tree: Tree) -> None:
    assert use(tree, before=MOVED) == ""


def test_upstreams_import_moves_to_a_new_module_as_the_manual_says(copied: Tree) -> None:
    result = read_pin(copied.pin).result
    runnable = ("apply", "--compatibility", "--output", "runnable.py")
    upstream = [sys.executable, "-m", "upstream", *runnable]
    subprocess.run(upstream, cwd=copied.root, check=True, capture_output=True)
    assert "gevent.lock" in use(copied, "runnable", before=MOVED)
    stop_at_the_patch, replay, take_its_text, go_on, finish = steps(
        "A module of gevent's has moved"
    )
    follow(stop_at_the_patch, copied)
    file = copied.root.parent / "moved" / "pool.py"
    file.write_text(file.read_text().replace("gevent.lock", "gevent.mutexes"))
    said = follow(replay, copied, fails=None)
    while "CONFLICT" in said:
        follow(take_its_text, copied)
        file.write_text(file.read_text().replace("gevent.lock", "gevent.mutexes"))
        said = follow(go_on, copied, fails=None)
    assert "Successfully rebased" in said
    follow(finish, copied)
    assert read_pin(copied.pin).result == result  # the fork's own text is as it was
    subprocess.run(upstream, cwd=copied.root, check=True, capture_output=True)
    assert use(copied, "runnable", before=MOVED) == ""
