"""Promise 9: how long callers wait, leases last and connects take; and who does not give back."""

from __future__ import annotations

import logging
import weakref

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import Connection, Pool, hold

from geventconnpool_gov import ConnectionPool, PoolError, PoolTimeout, retry
from geventconnpool_gov.statistics import listen
from geventconnpool_gov.testing import virtual_time


def test_waits_uses_and_connects_are_timed(virtual_clock):
    with Pool(1, connects=[2.0]) as pool:
        clients = [gevent.spawn(hold, pool, 10) for _ in range(3)]
        gevent.joinall(clients, raise_error=True)
        stats = pool.stats()
    assert (stats.connect.count, stats.connect.sum) == (1, pytest.approx(2))
    assert (stats.use.count, stats.use.sum) == (3, pytest.approx(30))
    assert (stats.wait.count, stats.wait.sum) == (3, pytest.approx(2 + 12 + 22))
    assert stats.wait.max == pytest.approx(22)


@pytest.mark.parametrize("options", [{}, {"keepalive": 60, "idle_timeout": 60}, {"lifo": True}])
def test_each_lease_is_timed_however_quickly_they_follow_each_other(virtual_clock, options):
    class Kept(Pool):
        def _keepalive(self, c) -> None:
            pass

    with Kept(1, **options) as pool:
        pool.wait_until_ready()
        for _ in range(5):
            hold(pool, 0)
            hold(pool, 3)  # begins in the pass of the loop in which the last one ended
        for _ in range(4):
            with pool.get():
                pass
        stats = pool.stats()
    assert (stats.requests, stats.wait.count, stats.use.count) == (14, 14, 14)
    assert stats.use.sum == pytest.approx(15)
    assert stats.use.percentile(50) < 0.0001


def test_a_lease_counts_as_a_request_at_once_and_as_a_use_when_it_ends(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        hold(pool, 0)
        with pool.get():
            stats = pool.stats()
            assert (stats.requests, stats.wait.count, stats.use.count) == (2, 2, 1)
            gevent.sleep(1)
            assert pool.stats().requests == 2
        assert pool.stats().use.count == 2


def test_a_lease_whose_connection_is_closed_under_it_is_counted_once(virtual_clock):
    pool = Pool(2)
    pool.wait_until_ready()
    hold(pool, 0)
    with pool.get(), pool.get():
        pool.close(timeout=0)
        assert pool.stats().requests == 3
    stats = pool.stats()
    assert (stats.requests, stats.wait.count, stats.use.count) == (3, 3, 3)


def test_waiting_in_vain_is_no_wait_of_those_who_were_served(virtual_clock):
    with Pool(1) as pool, pool.get():
        with pytest.raises(PoolError):
            hold(pool, 0, timeout=5)
        assert pool.stats().wait.sum == 0


@given(st.lists(st.tuples(*[st.sampled_from([0, 0, 1, 2, 7])] * 3, st.booleans()), max_size=25))
@settings(max_examples=60, deadline=None)
def test_requests_waits_and_uses_add_up_at_every_moment(steps):
    def client(start, use, timeout, fails):
        gevent.sleep(start)
        try:
            with pool.get(timeout=timeout):
                gevent.sleep(use) if use else None
                if fails:
                    raise OSError("broken")
        except (OSError, PoolError):
            pass

    with virtual_time(), Pool(2, connects=[0, 1, OSError("down")]) as pool:
        clients = [gevent.spawn(client, *step) for step in steps]
        for _ in range(40):
            stats = pool.stats()
            handed = stats.requests - stats.wait.count - stats.waiting - _failed(stats)
            # A caller who was handed a connection and has not run since is in neither figure.
            assert 0 <= handed <= stats.in_use
            assert stats.wait.count - stats.use.count + handed == stats.in_use
            gevent.sleep(0.25)
        gevent.joinall(clients, raise_error=True)
        stats = pool.stats()
        assert stats.requests == len(steps) == stats.wait.count + _failed(stats)
        assert stats.use.count == stats.wait.count


def _failed(stats):
    in_vain = stats.requests_timed_out + stats.requests_rejected + stats.requests_cancelled
    return in_vain + stats.requests_refused


def test_a_listener_hears_of_each_duration(virtual_clock):
    waits, uses = [], []
    with Pool(1) as pool:
        pool.wait_until_ready()
        listen(pool._core, wait=waits.append, use=uses.append)
        for _ in range(3):
            hold(pool, 0)
        hold(pool, 2)
        assert (waits, uses) == ([0, 0, 0, 0], [0, 0, 0, 2])
        assert pool.stats().use.count == 4


def test_a_kill_in_a_listener_costs_no_capacity(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        listen(pool._core, wait=lambda _: gevent.sleep(1), use=lambda _: gevent.sleep(1))
        for at in (0, 0.5, 1.5):
            client = gevent.spawn(hold, pool, 0)
            gevent.sleep(at)
            client.kill()
        gevent.sleep(5)
        stats = pool.stats()
        assert stats.idle == 1
        assert stats.use.count == stats.wait.count == 3


class Leaky(Pool):
    def __init__(self, size: int = 2, **options) -> None:
        super().__init__(size, leak_after=30, **options)


def keep(pool: ConnectionPool, password: str) -> None:
    with pool.get() as connection:
        gevent.sleep(100)
        assert connection


def leaks(caplog) -> list[str]:
    return [each.getMessage() for each in caplog.records if "leak_after" in each.getMessage()]


@pytest.mark.parametrize("before", [0, 1])  # a first borrow, and one right after another
def test_a_connection_lent_for_too_long_is_warned_about_once_with_its_holders_stack(
    virtual_clock, caplog, before
):
    with Leaky() as pool:
        pool.wait_until_ready()
        for _ in range(before):
            hold(pool, 0)
        holder = gevent.spawn(keep, pool, "hunter2")
        gevent.sleep(31)
        (warning,) = leaks(caplog)
        assert "lent for 30.0 s, longer than leak_after (30 s); held by Greenlet" in warning
        assert "in keep" in warning
        assert "gevent.sleep(100)" in warning
        assert "hunter2" not in warning
        holder.join()
        assert len(leaks(caplog)) == pool.stats().leaks == 1


def test_a_connection_lent_the_moment_it_is_open_is_watched_too(virtual_clock, caplog):
    class Hasty(Leaky):
        def _new_connection(self) -> object:
            gevent.spawn(hold, self, 50)  # runs before the loop turns
            return object()

        def _close_connection(self, c) -> None:
            pass

    with Hasty(1):
        gevent.sleep(60)
    assert len(leaks(caplog)) == 1


def test_looking_for_the_holder_keeps_nothing_alive_that_others_had_in_a_variable(
    virtual_clock, caplog
):
    def bystander():
        local = Connection(0)
        held.append(weakref.ref(local))
        gevent.sleep(35)
        del local
        gevent.sleep(10)

    held = []
    with Leaky() as pool:
        greenlets = [gevent.spawn(bystander), gevent.spawn(hold, pool, 100)]
        gevent.sleep(31)
        assert len(leaks(caplog)) == 1
        assert held[0]() is not None
        gevent.sleep(5)
        assert held[0]() is None
        gevent.joinall(greenlets)


def test_each_lease_that_is_too_long_is_warned_about(virtual_clock, caplog):
    with Leaky() as pool:
        for _ in range(2):
            gevent.spawn_later(5, hold, pool, 50)
            hold(pool, 50)
            gevent.sleep(100)
        assert len(leaks(caplog)) == pool.stats().leaks == 4


def test_who_gives_back_in_time_is_not_warned_about(virtual_clock, caplog):
    caplog.set_level(logging.WARNING)
    with Leaky(check_after=10) as pool:
        for _ in range(20):
            hold(pool, 29)
            gevent.sleep(50)
    assert not caplog.records


def test_a_probe_of_a_connection_that_idled_long_is_no_leak(virtual_clock, caplog):
    class Slow(Leaky):
        def _keepalive(self, c) -> None:
            gevent.sleep(3)

    with Slow(keepalive=50) as pool:
        pool.wait_until_ready()
        gevent.sleep(51)
        pool._core.upkeep.tend()  # as anything else that is due would have it do
        gevent.sleep(20)
    assert not leaks(caplog)


def test_an_idle_pool_starts_no_timer_to_look_for_leaks(virtual_clock):
    with Leaky() as pool:
        hold(pool, 40)
        gevent.sleep(40)
        before = virtual_clock.timers_started
        gevent.sleep(100_000)
        assert virtual_clock.timers_started - before == 1  # this test's own


@pytest.mark.parametrize("rest", [1e-5, 3e-4])
def test_no_timer_is_shorter_than_what_each_loop_can_count(virtual_clock, monkeypatch, rest):
    loop, set_to = gevent.get_hub().loop, []
    make = loop.timer
    monkeypatch.setattr(loop, "timer", lambda s, *a, **k: set_to.append(s) or make(s, *a, **k))
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    pool = Pool(1, max_lifetime=5)
    hold(pool, 5 - rest)  # back an instant before its lifetime ends
    with pool.get(), pytest.raises(PoolTimeout), pool.get(timeout=rest):
        pass
    failing = retry(exc_classes=ValueError, interval=rest, max_failures=2)(
        lambda: pool.discard("nobody's")
    )
    with pytest.raises(ValueError, match="not a connection"):
        failing()
    with pool.get():
        pool.close(timeout=rest)
    assert len(set_to) > 5
    assert [seconds for seconds in set_to if 0 < seconds < 0.001] == []
