"""Promise 9: times are kept in little memory, and their percentiles can be trusted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventconnpool_gov.histograms import BOUNDS, Histogram, Recorder

durations = st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=200)


def recorded(values: list[float], at_once: int = 0) -> Histogram:
    recorder = Recorder()
    for value in values:
        recorder.add(value)
    return recorder.snapshot(at_once=at_once)


@given(durations, st.floats(0, 100))
def test_a_percentile_is_off_by_less_than_30_percent_of_its_value(values, percent):
    values.sort()
    exact = values[max(0, math.ceil(len(values) * percent / 100) - 1)]
    told = recorded(values).percentile(percent)
    if exact <= BOUNDS[-1]:
        assert told <= max(exact, BOUNDS[0]) * 1.2801
        assert told >= (exact / 1.2801 if exact > BOUNDS[0] else 0.0)
    else:
        assert BOUNDS[-1] <= told <= values[-1] * 1.001


@given(durations)
def test_count_sum_and_maximum_are_exact(values):
    histogram = recorded(values)
    assert histogram.count == len(values) == sum(histogram.counts)
    assert histogram.sum == pytest.approx(sum(values))
    assert histogram.max == max(values)
    assert histogram.percentile(100) == pytest.approx(max(values))


@given(durations, st.integers(0, 1000))
def test_what_took_no_time_counts_like_the_others(values, at_once):
    histogram = recorded(values, at_once)
    assert histogram.count == len(values) + at_once
    assert histogram.sum == recorded(values).sum
    assert histogram.mean == pytest.approx(histogram.sum / histogram.count)


@given(durations)
def test_a_cumulative_count_is_how_many_do_not_exceed_a_bound(values):
    for bound, count in recorded(values).cumulative((0.001, 0.1, 10.0)):
        assert count == sum(value <= bound for value in values)


def test_nothing_recorded_is_nothing_everywhere():
    empty = Recorder().snapshot()
    assert set(empty.as_dict().values()) == {0}
    assert empty.percentile(99) == 0


@pytest.mark.parametrize("percent", [-1, 100.5, math.nan])
def test_a_percentage_that_is_none_is_refused(percent):
    with pytest.raises(ValueError, match="percent must be from 0 to 100, got"):
        Recorder().snapshot().percentile(percent)


def test_a_histogram_says_itself_in_one_line():
    assert str(recorded([0.2, 0.2])) == (
        "2 times, sum 0.4 s, mean 0.2 s, p50 0.18 s, p90 0.196 s, p95 0.198 s, p99 0.2 s, max 0.2 s"
    )
