"""Upstream beside the fork: what differs is listed, and what upstream documents does not differ."""

from __future__ import annotations

import observations as see
import pytest
from differences import DIFFERENCES, README, Difference, with_table
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from programs import DOCUMENTED, FAULTS, trace

from upstream.tree import this_tree

pytestmark = pytest.mark.large
ROWS = {difference.observe.__name__: difference for difference in DIFFERENCES}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.upstream)
def test_each_difference_is_seen(difference: Difference) -> None:
    assert (difference.observe(see.upstream()), difference.observe(see.fork())) == (True, False)


def test_the_table_of_the_readme_is_what_was_seen() -> None:
    readme = README.read_text()
    assert with_table(readme, list(DIFFERENCES)) == readme


def test_each_difference_is_named_by_a_patch_of_the_series() -> None:
    series = {path.stem for path in this_tree().patches.glob("*.patch")}
    named = {patch for difference in DIFFERENCES for patch in difference.patches}
    assert named <= series


def differs(program: list[str]) -> bool:
    return trace(see.upstream(), program) != trace(see.fork(), program)


def agree(program: list[str]) -> None:
    assert trace(see.upstream(), program) == trace(see.fork(), program)


documented = st.lists(st.sampled_from(DOCUMENTED), max_size=8)


@given(documented)
@settings(max_examples=100, deadline=None)
def test_they_agree_wherever_upstream_keeps_its_documentation(program):
    agree(program)


@pytest.mark.prove
@given(documented)
@settings(max_examples=3000, deadline=None)
def test_they_agree_wherever_upstream_keeps_its_documentation_at_length(program):
    agree(program)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_difference_is_found_and_is_one_of_those_listed(fault: str) -> None:
    programs = st.lists(st.sampled_from([*DOCUMENTED, fault]), max_size=8)
    phases = (Phase.generate, Phase.shrink)
    shortest = find(programs, differs, settings=settings(deadline=None, phases=phases))
    assert shortest == [fault]
    assert FAULTS[fault] in ROWS
