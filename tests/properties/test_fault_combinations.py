"""Each hook answers, fails, hangs or is interrupted, in every combination: nothing is lost."""

from __future__ import annotations

import contextlib
from itertools import product
from typing import Any

import gevent
import pytest
from guards import StandIn
from pools import Connection, Pool, assert_adds_up, hold

from geventconnpool_gov import core
from geventconnpool_gov.testing import virtual_time

pytestmark = [pytest.mark.usefixtures("steady_jitter"), pytest.mark.large]

STAGES = ("connect", "check", "use", "reset", "close")
WAYS = ("answers", "fails", "hangs", "is interrupted")


class Faulty(Pool):
    """Goes wrong once at each stage, in the way that is given for it."""

    def __init__(self, ways: dict[str, str], *, guarded: bool) -> None:
        self.ways, self.guarded = ways, guarded
        super().__init__(2, check_after=1.0, check_timeout=5.0, connect_timeout=5.0)

    def at(self, stage: str) -> None:
        way = self.ways.pop(stage, "answers")
        if way == "fails":
            raise OSError(f"{stage} failed")
        if way == "hangs":
            gevent.sleep(1000)
        if way == "is interrupted":
            gevent.getcurrent().kill(block=False)
            gevent.sleep(1)

    def _new_connection(self) -> object:
        self.at("connect")
        self.made.append(Resource(len(self.made) + 1))
        return self.made[-1]

    def _check(self, c: Any) -> None:
        self.at("check")

    def _reset(self, c: Any) -> None:
        self.at("reset")

    def _close_connection(self, c: Any) -> None:
        self.at("close")
        c.closed += 1

    def _socket(self, c: Any) -> Any:
        return c if self.guarded else None


class Resource(Connection):
    """What a stand-in for a guard can watch."""

    peer_closed = False
    guard: Any = None

    def close(self) -> None:
        self.closed += 1  # the last resort, where the hook did not


def use(pool: Faulty) -> None:
    """Borrow after a time of idleness, and go wrong as the pool's user."""
    with contextlib.suppress(OSError, gevent.Timeout), gevent.Timeout(20), pool.get():
        pool.at("use")


def borrow_until_each_stage_was_reached(pool: Faulty) -> None:
    for _ in range(3):
        gevent.sleep(30)
        gevent.spawn(use, pool).join()
    gevent.sleep(30)
    with pool.get() as connection:
        pool.discard(connection)
    gevent.sleep(30)


def ends_whole(pool: Faulty) -> None:
    assert pool.ways == {}, "a stage was not reached"
    both = [gevent.spawn(hold, pool, 1.0) for _ in range(2)]
    gevent.joinall(both, timeout=2, raise_error=True)
    stats = pool.stats()
    assert (stats.idle, stats.opening, stats.waiting) == (2, 0, 0), pool
    assert stats.requests == 6
    assert stats.wait.count == stats.use.count
    assert stats.opened == len(pool.made)
    assert len(pool.still_open) == 2
    assert all(connection.closed <= 1 for connection in pool.made)
    assert_adds_up(pool)


@pytest.mark.parametrize("connect", WAYS)
@pytest.mark.parametrize("use", WAYS)
def test_every_combination_ends_whole(connect, use, monkeypatch, record_property):
    monkeypatch.setattr(core, "Guard", StandIn)
    others = list(product(WAYS, WAYS, WAYS, (False, True)))
    for check, reset, close, guarded in others:
        ways = dict(zip(STAGES, (connect, check, use, reset, close), strict=True))
        with virtual_time(), Faulty(dict(ways), guarded=guarded) as pool:
            borrow_until_each_stage_was_reached(pool)
            ends_whole(pool)
    record_property("combinations of faults at five stages", len(others))
