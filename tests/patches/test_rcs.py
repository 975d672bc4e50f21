"""The change format: what it writes, it reads; what is not exactly in form, it refuses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream import rcs
from upstream.errors import UpstreamError

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d1 1", "a0 1", "\x0c"]), max_size=12)


@given(LINES, LINES)
def test_a_change_makes_the_second_text_of_the_first(before: list[str], after: list[str]) -> None:
    change = rcs.difference(before, after)
    commands = rcs.parse(rcs.split_lines(change, "x"), "x", 1)
    assert rcs.apply(commands, before) == after


@given(LINES)
def test_the_same_text_is_no_change(text: list[str]) -> None:
    assert rcs.difference(text, text) == ""


@pytest.mark.skipif(shutil.which("diff") is None, reason="diff is not installed")
@pytest.mark.parametrize(
    ("before", "after"),
    [("abc", "axc"), ("abc", "bc"), ("abc", "abcd"), ("", "ab"), ("ab", ""), ("abcdef", "xbdefy")],
)
def test_what_diff_writes_applies(tmp_path: Path, before: str, after: str) -> None:
    for name, text in (("before", before), ("after", after)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in text))
    command = ["diff", "--rcs", "before", "after"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert rcs.apply(_commands(run.stdout), list(before)) == list(after)
    assert rcs.difference(list(before), list(after)) == run.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("a1 0\n", "x:1: expected"),
        ("d1 1 \n", "x:1: expected"),
        ("d01 1\n", "x:1: expected"),
        ("d1 1\nmore\n", "x:2: expected"),
        ("a1 2\nonly one\n", "x:1: adds 2 lines, and 1 follow"),
        ("d2 2\nd3 1\n", "x:2: overlaps"),
        ("d3 1\nd2 1\n", "x:2: overlaps"),
        ("a2 1\nnew\na2 1\nnew\n", "x:3: overlaps"),
        ("a2 1\nnew\nd2 1\n", "x:3: overlaps"),
        ("d2 2\na2 1\nnew\n", "x:2: overlaps"),
    ],
)
def test_a_command_out_of_form_is_named_by_file_and_line(change: str, message: str) -> None:
    with pytest.raises(UpstreamError, match=message):
        _commands(change)


@pytest.mark.parametrize("change", ["d3 2\n", "d4 1\n", "a4 1\nnew\n", "d9 1\n"])
def test_a_line_that_the_text_does_not_have_is_refused(change: str) -> None:
    with pytest.raises(UpstreamError, match=r"x:1: names line \d of a text that has 3"):
        rcs.apply(_commands(change), ["1", "2", "3"])


def _commands(change: str) -> tuple[rcs.Command, ...]:
    return rcs.parse(rcs.split_lines(change, "x"), "x", 1)
