"""A burst opens no connection for every waiter of a passing peak: docs/running.md's measurements.

What is measured there is measured here, row by row, with the page's own function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from pools import Pool, hold
from test_papers import ROOT, blocks

PAGE = "docs/running.md"
ROW = re.compile(r"^\| ([\d.]+) s \| ([\d.]+) s \| ([\d.]+) s \| (\d+) \|$", re.MULTILINE)
ROWS = [tuple(map(float, row)) for row in ROW.findall((ROOT / PAGE).read_text())]


@pytest.fixture(scope="module")
def peak() -> Callable[..., tuple[float, int, int]]:
    block = next(block for block in blocks(PAGE, "python") if "def peak(" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    return names["peak"]


def test_the_page_has_its_measurements():
    assert len(ROWS) == 5


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_peak_lasts_as_long_and_opens_as_many_as_the_page_says(peak, row):
    use, alone, with_burst, opened = row
    assert peak(50, use, 5) == (alone, 0, 5)
    assert peak(50, use, 5, burst_limit=20) == (with_burst, opened, 5)


def test_a_burst_is_one_connect_at_a_time_whatever_max_connecting_is(virtual_clock):
    most = 0
    options = {"burst_limit": 20, "max_connecting": 20}
    with Pool(5, connects=[0.0] * 5 + [0.5] * 99, **options) as pool:
        pool.wait_until_ready()
        callers = [gevent.spawn(hold, pool, 5.0) for _ in range(50)]
        for _ in range(74):
            gevent.sleep(0.1)
            most = max(most, pool.stats().opening)
        assert (most, pool.stats().open) == (1, 19)
        gevent.sleep(0.2)
        assert pool.stats().open == 20  # 15 connects of 0.5 s
        gevent.joinall(callers, raise_error=True)


def test_within_size_a_peak_opens_as_many_as_may_connect_at_once(peak):
    assert peak(50, 0.01, 20, min_size=5, max_connecting=3)[1] == 3
    assert peak(50, 0.01, 20, min_size=5, max_connecting=20)[1] == 15
