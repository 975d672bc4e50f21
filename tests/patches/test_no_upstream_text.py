"""No file of this tree holds upstream's text, and the check that says so sees through disguises.

The texts that prove it are cut from the archive while the tests run; none is written here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from upstream.archive import Archive
from upstream.borrowed import (
    RUN,
    STOCK_LINES,
    Finding,
    Original,
    borrowed,
    borrowed_text,
    files,
    originals,
)
from upstream.pin import read_pin
from upstream.tree import Tree

Members = dict[str, Original]


@pytest.fixture(scope="module")
def members(archive: Archive) -> Members:
    return originals(archive)


@pytest.fixture
def pool(archive: Archive, tree: Tree) -> list[str]:
    return archive.member(read_pin(tree.pin).pool).split("\n")


def test_no_file_holds_upstream_text(tree: Tree, archive: Archive) -> None:
    assert [str(finding) for finding in borrowed(tree.root, archive)] == []


def test_every_text_that_upstreams_authors_wrote_is_compared(members: Members) -> None:
    names = {name.rpartition("/")[2] for name in members}
    assert names >= {"pool.py", "__init__.py", "README.rst", "setup.py", "LICENSE"}


def long_line(lines: list[str]) -> int:
    return next(i for i, line in enumerate(lines) if len(line.split()) > 5)


def a_method(lines: list[str]) -> list[str]:
    """Return the words of one, wherever it stands: the next release may have moved it."""
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("def get("))
    return " ".join(lines[start : start + 20]).split()


def test_a_copied_line_is_found(members: Members, pool: list[str]) -> None:
    number = long_line(pool)
    found = look(members, f"one\n{pool[number]}\ntwo\n")
    assert Finding("x.py", 2, "src/geventconnpool/pool.py", number + 1, "a line") in found


@pytest.mark.parametrize(
    "disguise",
    [
        lambda line: f"\t\t{line.strip()}  ",
        lambda line: "  ".join(line.split()),
    ],
)
def test_other_white_space_hides_nothing(
    members: Members, pool: list[str], disguise: Callable[[str], str]
) -> None:
    assert look(members, disguise(pool[long_line(pool)]))


@pytest.mark.parametrize("separator", ["\n", "\n# ", " "])
def test_other_line_breaks_hide_nothing(members: Members, pool: list[str], separator: str) -> None:
    block = a_method(pool)
    text = "first\n" + "".join(f"{word}\n" for word in block)
    found = [finding for finding in look(members, text) if finding.what != "a line"]
    assert [finding.line for finding in found][:1] == [2]


def test_twelve_tokens_in_a_row_are_found_and_eleven_are_not(members: Members) -> None:
    runs = members["src/geventconnpool/pool.py"].runs
    tokens = next(iter(runs))
    assert len(tokens) == RUN
    whole, short = "\n".join(tokens), "\n".join(tokens[:-1])
    assert [finding.line for finding in look(members, whole)] == [1]
    assert look(members, short) == []


def test_a_copied_block_is_reported_once(members: Members, pool: list[str]) -> None:
    found = look(members, "\n".join(a_method(pool)))
    assert len([finding for finding in found if finding.what != "a line"]) == 1


def test_words_of_the_readme_count_too(members: Members, archive: Archive) -> None:
    text = archive.read("README.rst").decode().split("\n")
    assert look(members, "\n".join(text[4:6]), "README.md")


def test_a_line_of_one_word_is_nobodys(members: Members) -> None:
    assert look(members, "@wraps\npass\nraise\n") == []


def test_the_standard_licence_is_free_in_our_licence_alone(
    members: Members, archive: Archive
) -> None:
    text = archive.read("LICENSE").decode()
    assert look(members, text, "LICENSE") == []
    assert look(members, text, "README.md")


def test_stock_lines_are_free_and_each_is_one_of_upstreams(members: Members) -> None:
    assert look(members, "\n".join(sorted(STOCK_LINES))) == []
    lines = {line for original in members.values() for line in original.lines}
    assert lines >= STOCK_LINES


def test_a_finding_does_not_quote(members: Members, pool: list[str]) -> None:
    line = pool[long_line(pool)]
    assert all(line.strip() not in str(finding) for finding in look(members, line))


def test_in_git_what_is_tracked_or_would_be_is_read(tmp_path: Path) -> None:
    for name in ("tracked", "new", "ignored", "gone"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    for command in (["init", "-q"], ["add", "tracked", "gone"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "gone").unlink()
    assert [file.name for file in files(tmp_path)] == [".gitignore", "new", "tracked"]


def test_outside_git_what_no_tool_made_is_read(tmp_path: Path, archive: Archive) -> None:
    kept = ["README.md", "upstream/pin.cfg", "geventconnpool_gov/ledger.py"]
    made = ["PKG-INFO", "geventconnpool_gov/pool.py", "x.egg-info/PKG-INFO", "build/lib/pool.py"]
    for name in [*kept, *made, "upstream/built/NOTICE", "tests/__pycache__/x.pyc"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(archive.read("src/geventconnpool/pool.py"))
    (tmp_path / "upstream" / "geventconnpool-1.0.tar.gz").write_bytes(archive.content)
    found = {finding.file for finding in borrowed(tmp_path, archive)}
    assert found == set(kept)


def look(members: Members, text: str, name: str = "x.py") -> list[Finding]:
    return list(borrowed_text(name, text, members))
