"""Every promise of `world`, in every state of every schedule within the stated bounds."""

from __future__ import annotations

import pytest
from model import EVENTS, LONG, SHORT, Bound


@pytest.mark.parametrize("first", EVENTS)
@pytest.mark.parametrize("bound", SHORT, ids=str)
def test_no_schedule_breaks_a_promise(bound: Bound, first: str, record_property) -> None:
    explore_all(bound, first, record_property)


@pytest.mark.prove
@pytest.mark.parametrize("first", EVENTS)
@pytest.mark.parametrize("bound", LONG, ids=str)
def test_no_schedule_breaks_a_promise_at_length(bound: Bound, first: str, record_property) -> None:
    explore_all(bound, first, record_property)


def explore_all(bound: Bound, first: str, record_property) -> None:
    """Those scenarios within the bound whose first event this is."""
    mine = [scenario for scenario in bound.scenarios() if scenario.events[0] == first]
    record_property(f"schedules: {bound}", sum(map(bound.explore, mine)))
