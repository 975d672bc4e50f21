"""Promise 6: the pool grows with its load, shrinks when it idles, and never exceeds its limits."""

from __future__ import annotations

import gevent
import pytest
from pools import Pool, assert_adds_up, hold


def crowd(pool, callers, seconds=1.0):
    return [gevent.spawn(hold, pool, seconds) for _ in range(callers)]


def test_what_idles_too_long_is_closed_within_a_second_down_to_min_size(virtual_clock):
    with Pool(6, min_size=2, idle_timeout=60) as pool:
        gevent.joinall(crowd(pool, 6))
        assert pool.stats().open == 6
        gevent.sleep(59.5)
        assert pool.stats().open == 6
        gevent.sleep(1)
        assert pool.stats().open == 2
        assert pool.stats().closed["idle_timeout"] == 4
        assert len(pool.still_open) == 2


def test_a_connection_that_is_used_does_not_idle_out(virtual_clock):
    with Pool(3, min_size=0, idle_timeout=60) as pool:
        gevent.joinall(crowd(pool, 3))
        for _ in range(20):
            hold(pool, 0)
            gevent.sleep(30)
        assert pool.stats().open == 1  # lent last in, first out: the others idled


def test_a_keepalive_is_no_use_and_keeps_nothing_from_idling_out(virtual_clock):
    class Kept(Pool):
        def _keepalive(self, c) -> None:
            pass

    with Kept(4, min_size=1, idle_timeout=100, keepalive=30) as pool:
        gevent.joinall(crowd(pool, 4))
        gevent.sleep(102)
        assert pool.stats().open == 1
        assert pool.stats().keepalives >= 6


def test_a_burst_goes_up_to_its_limit_and_its_surplus_is_closed_on_return(virtual_clock):
    with Pool(2, burst_limit=5, connects=[0.1] * 9) as pool:
        callers = crowd(pool, 30)
        gevent.sleep(0.9)
        assert pool.stats().open == 5
        gevent.joinall(callers, raise_error=True)
        assert pool.stats().open == 2
        assert pool.stats().closed["burst"] == 3


def test_a_passing_peak_does_not_open_a_connection_for_each_waiter(virtual_clock):
    with Pool(5, burst_limit=100, connects=[0] * 5 + [0.5] * 99) as pool:
        pool.wait_until_ready()
        gevent.joinall(crowd(pool, 200, 0.01), raise_error=True)
        assert virtual_clock.now == pytest.approx(0.4)
        assert len(pool.made) == 5
        gevent.sleep(10)
        assert len(pool.made) <= 6


def test_growing_by_resize_serves_those_who_wait(virtual_clock):
    with Pool(1) as pool:
        callers = crowd(pool, 4, 10)
        gevent.sleep(1)
        pool.resize(4)
        gevent.joinall(callers, raise_error=True)
        assert virtual_clock.now == 11
        assert (pool.size, pool.stats().open) == (4, 4)


def test_shrinking_by_resize_interrupts_nobody(virtual_clock):
    with Pool(4) as pool:
        callers = crowd(pool, 8, 10)
        gevent.sleep(1)
        pool.resize(1)
        assert pool.stats().open == 4
        gevent.joinall(callers, raise_error=True)
        assert pool.stats().open == 1
        assert_adds_up(pool)


def test_shrinking_by_resize_closes_what_is_idle_at_once(virtual_clock):
    with Pool(4) as pool:
        pool.wait_until_ready()
        pool.resize(2)
        gevent.sleep(1)
        assert len(pool.still_open) == 2
        assert pool.stats().closed["drained"] == 2


@pytest.mark.parametrize("size", [0, -1, "2", None])
def test_a_bad_resize_changes_nothing(virtual_clock, size):
    with Pool(3) as pool:
        pool.wait_until_ready()
        before = pool.stats()
        with pytest.raises((ValueError, TypeError), match="size must be"):
            pool.resize(size)
        assert pool.stats() == before


def test_drain_replaces_every_connection_none_under_its_user_and_serves_on(virtual_clock):
    with Pool(4, connects=[0] * 4 + [1.0] * 99, max_connecting=1) as pool:
        pool.wait_until_ready()
        old = set(pool.made)
        holder = gevent.spawn(hold, pool, 30)
        gevent.sleep(0)
        pool.drain()
        least = 4
        for _ in range(100):
            least = min(least, pool.stats().idle)
            gevent.sleep(0.1)
        assert not holder.ready()
        assert least >= 2
        gevent.sleep(100)
        assert pool.stats().open == 4
        assert not old & set(pool.still_open)
        assert pool.stats().closed["drained"] == 4


def test_drain_replaces_plain_connections_that_are_lent_when_they_come_back(virtual_clock):
    with Pool(1) as pool:
        with pool.get() as old:
            pool.drain()
            gevent.sleep(5)
            assert not old.closed
        assert hold(pool, 0) is not old


def test_thousand_idle_connections_start_timers_by_what_expires_not_by_time(virtual_clock):
    with Pool(1000, min_size=0, idle_timeout=3600, max_connecting=1000) as pool:
        gevent.joinall(crowd(pool, 1000))
        gevent.sleep(1)
        before = virtual_clock.timers_started
        gevent.sleep(3500)
        assert virtual_clock.timers_started - before <= 2
        gevent.sleep(200)
        assert pool.stats().open == 0
