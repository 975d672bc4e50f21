"""`python -m benchmarks`: the figures of the README, measured here and now.

Each row is a ratio between two things measured in turn in one run, so that a noisy machine
disturbs both; the median of several rounds stands.
"""

from __future__ import annotations

import platform
import sys

import gevent

from benchmarks import borrowing, fairness, scaling


def main() -> int:
    """Measure, and print one line a figure."""
    print(f"CPython {platform.python_version()}, gevent {gevent.__version__}")
    for title, measure in (
        ("borrow and return, uncontended, in units of a semaphore and a deque", borrowing.measure),
        ("longest wait of 100 clients on 10 connections, in rounds of fair service",
         fairness.measure),
        ("1,000 connections and 10,000 clients, in units of 10 and 100", scaling.measure),
    ):  # fmt: skip
        print(f"\n{title}")
        for who, ratio in measure():
            print(f"  {who:<44} {ratio:6.2f}", flush=True)
    return 0


sys.exit(main())
