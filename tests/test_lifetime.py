"""Promise 6: each connection is replaced in time, spread out, and never above the limit."""

from __future__ import annotations

import gevent
from pools import Pool, assert_adds_up, hold


def test_an_idle_connection_is_replaced_at_the_end_of_its_lifetime(virtual_clock):
    with Pool(3, max_lifetime=100) as pool:
        gevent.sleep(89)
        assert len(pool.made) == 3
        gevent.sleep(12)
        assert [connection.closed for connection in pool.made[:3]] == [1, 1, 1]
        assert pool.stats().open == 3
        assert pool.stats().closed["max_lifetime"] == 3


def test_a_connection_under_constant_use_is_replaced_too(virtual_clock):
    with Pool(1, max_lifetime=100) as pool:
        used = {hold(pool, 1) for _ in range(1000)}
        assert len(used) >= 9


def test_a_lent_connection_is_not_taken_away_but_replaced_on_return(virtual_clock):
    with Pool(1, max_lifetime=100) as pool:
        with pool.get() as old:
            gevent.sleep(500)
            assert not old.closed
        assert hold(pool, 0) is not old


def test_the_lifetime_is_drawn_once_for_each_connection(virtual_clock, monkeypatch):
    drawn = []
    monkeypatch.setattr("random.uniform", lambda low, high: drawn.append((low, high)) or high)
    with Pool(2, max_lifetime=100) as pool:
        for _ in range(50):
            hold(pool, 1)
    assert drawn == [(0.9, 1.0)] * 2


def test_a_thousand_connections_opened_together_are_replaced_apart_a_few_at_a_time(virtual_clock):
    most = 0

    class Watched(Pool):
        def _new_connection(self) -> object:
            nonlocal most
            most = max(most, self.stats().opening)
            return super()._new_connection()

    with Watched(1000, max_lifetime=1000, max_connecting=1000) as pool:
        pool.wait_until_ready()
        gevent.sleep(950)
        closed = pool.stats().closed["max_lifetime"]
        assert 300 < closed < 700
        gevent.sleep(51)
        assert pool.stats().closed["max_lifetime"] == 1000
    with Watched(100, max_lifetime=1000, max_connecting=3, connects=[1.0] * 999) as pool:
        most = 0
        pool.wait_until_ready()
        gevent.sleep(1100)
        assert most == 3
        assert pool.stats().closed["max_lifetime"] >= 100
        assert_adds_up(pool)


def test_the_replacement_comes_first_where_a_burst_is_allowed(virtual_clock):
    with Pool(2, burst_limit=3, max_lifetime=100, connects=[0, 0] + [5.0] * 99) as pool:
        pool.wait_until_ready()
        for _ in range(3000):
            gevent.sleep(0.1)
            assert pool.stats().open == 2
            assert len(pool.still_open) <= 3
        assert pool.stats().closed["max_lifetime"] >= 4


def test_a_lifetime_holds_though_its_replacement_cannot_be_opened(virtual_clock):
    connects = [0, OSError("down"), OSError("down"), OSError("down")]
    with Pool(1, burst_limit=2, max_lifetime=100, connects=connects) as pool:
        gevent.sleep(130)
        assert pool.made[0].closed
        assert pool.stats().open == 1


def test_a_lifetime_holds_though_a_burst_has_taken_the_place_of_its_replacement(virtual_clock):
    class Slow(Pool):
        def _keepalive(self, c) -> None:
            gevent.sleep(4)

    with Slow(1, burst_limit=2, max_lifetime=100, keepalive=85) as pool:
        gevent.sleep(86)
        with pool.get() as burst:  # the other one is under probe
            assert (burst.number, pool.stats().open) == (2, 2)
            gevent.sleep(20)
            assert pool.made[0].closed
            assert pool.stats().closed["max_lifetime"] == 1


def test_a_pool_of_one_makes_its_caller_wait_for_the_connect_and_never_fails(virtual_clock):
    with Pool(1, max_lifetime=100, connects=[0] + [7.0] * 99) as pool:
        for _ in range(300):
            hold(pool, 1)
        assert len(pool.made) >= 3


def test_never_above_the_limit_while_everything_expires(virtual_clock):
    most = 0
    with Pool(5, max_lifetime=10, max_connecting=5) as pool:
        pool.closing_takes = 1.0

        def client():
            nonlocal most
            for _ in range(50):
                hold(pool, 0.5)
                most = max(most, len(pool.still_open))

        gevent.joinall([gevent.spawn(client) for _ in range(8)], raise_error=True)
        assert most == 5
        assert_adds_up(pool)


def test_a_second_drain_orders_no_second_replacement(virtual_clock):
    with Pool(1, burst_limit=3, connects=[0] + [1.0] * 99) as pool:
        pool.wait_until_ready()
        pool.drain()
        gevent.sleep(0.5)
        pool.drain()
        gevent.sleep(10)
        assert pool.stats().open == 1
        assert len(pool.made) == 2


def test_who_goes_otherwise_before_its_replacement_comes_leaves_none_too_many(virtual_clock):
    with Pool(2, burst_limit=4, connects=[0, 0] + [1.0] * 99) as pool:
        pool.wait_until_ready()
        pool.drain()
        gevent.sleep(0.5)
        pool.resize(1)  # closes the one that is not used for the longest time
        gevent.sleep(10)
        assert pool.stats().open == 1
        assert_adds_up(pool)
    with Pool(2, burst_limit=4, min_size=0, connects=[0] + [1.0] * 99) as pool:
        old = hold(pool, 0)
        pool.drain()
        gevent.sleep(0.5)
        pool.discard(old)
        gevent.sleep(10)
        assert pool.stats().open <= 1
        assert pool._core.ledger.owed == 0
