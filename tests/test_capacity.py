"""Promise 1: every unit of capacity is in one place, whatever interrupts whom, and where."""

from __future__ import annotations

import gevent
import pytest
from pools import Pool, assert_adds_up, assert_whole, hold

from geventconnpool_gov import PoolTimeout


@pytest.mark.parametrize("error", [OSError("refused"), ValueError("odd"), gevent.Timeout(1)])
def test_a_failed_connect_costs_no_capacity(virtual_clock, error):
    with Pool(2, connects=[error, error, error]) as pool:
        assert_whole(pool)
        assert pool.stats().connect_errors == 3


@pytest.mark.parametrize("nothing", [None, False])
def test_a_connect_that_brings_nothing_is_tried_again(virtual_clock, nothing):
    class Shy(Pool):
        def _new_connection(self) -> object:
            return nothing if len(self.connects) < 3 and not self.connects.append(0) else 17

    with Shy(1) as pool:
        assert_whole(pool)
        assert pool.stats().connect_errors == 3


def test_a_connect_that_hangs_is_interrupted_and_costs_no_capacity(virtual_clock):
    with Pool(1, connects=[10**6], connect_timeout=3) as pool:
        pool.wait_until_ready(10)
        assert 3 <= virtual_clock.now < 4
        assert "connecting took longer than 3 s" in (pool.stats().last_connect_error or "")
        assert_whole(pool)


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt, gevent.GreenletExit])
def test_whatever_a_lease_ends_in_its_unit_is_free_again(virtual_clock, error):
    with Pool(2) as pool:
        pool.wait_until_ready()
        with pytest.raises(error), pool.get():
            raise error
        assert_whole(pool)


def test_a_lease_that_is_entered_twice_loses_nothing(virtual_clock):
    from geventconnpool_gov import PoolError

    with Pool(2) as pool:
        pool.wait_until_ready()
        lease = pool.get()
        with lease, pytest.raises(PoolError, match="entered already"):
            lease.__enter__()
        lease.__exit__(None, None, None)
        with lease:
            assert pool.stats().in_use == 1
        assert_whole(pool)


def test_a_killed_connect_costs_no_capacity(virtual_clock):
    with Pool(1, connects=[50]) as pool:
        gevent.sleep(1)
        for greenlet in list(pool._core.opener.attempts.running):
            greenlet.kill()
        assert_whole(pool)


def test_a_connect_killed_before_it_ran_costs_no_capacity(virtual_clock):
    with Pool(1) as pool:
        for greenlet in list(pool._core.opener.attempts.running):
            greenlet.kill(block=False)
        assert_whole(pool)


def test_a_close_killed_before_it_ran_costs_no_capacity_and_closes_all_the_same(virtual_clock):
    class Closing(Pool):
        def _close_connection(self, c):
            c.close()

    with Closing(1) as pool:
        pool.wait_until_ready()
        with pool.get() as connection:
            closed = []
            connection.close = lambda: closed.append(1)
            pool.discard(connection)
        for greenlet in list(pool._core.closer.under_way):
            greenlet.kill(block=False)
        assert_whole(pool)
        assert closed == [1]


def test_never_more_than_size_are_open_counting_those_that_still_close(virtual_clock):
    most = 0
    with Pool(3, timeout=100) as pool:
        pool.closing_takes = 2.0

        def client(number):
            nonlocal most
            for turn in range(10):
                with pool.get() as connection:
                    gevent.sleep(0.1 * number)
                    if turn % 2:
                        pool.discard(connection)
                    most = max(most, len(pool.still_open))

        gevent.joinall([gevent.spawn(client, n) for n in range(8)], raise_error=True)
        assert most == 3
        assert_whole(pool)


def test_the_figures_add_up_at_every_moment_of_a_storm(virtual_clock):
    with Pool(3, connects=[0, OSError(), 1, OSError(), 0.5], timeout=2, connect_timeout=5) as pool:

        def client(number):
            for turn in range(20):
                try:
                    with gevent.Timeout(0.7 if (number + turn) % 3 else None, False):
                        hold(pool, 0.3 * (turn % 4))
                except (PoolTimeout, OSError):
                    pass
                assert_adds_up(pool)

        clients = [gevent.spawn(client, n) for n in range(10)]
        for n, greenlet in enumerate(clients[:4]):
            gevent.spawn_later(n + 0.7, greenlet.kill, block=False)
        gevent.joinall(clients, raise_error=False)
        assert_whole(pool)


def test_the_same_object_returned_twice_is_an_error_that_says_so(virtual_clock):
    from geventconnpool_gov import SharedConnectionError

    shared = object()

    class Sharing(Pool):
        def _new_connection(self) -> object:
            return shared

        def _close_connection(self, c):
            pass

    with Sharing(2, timeout=5) as pool:
        with pytest.raises(SharedConnectionError, match="must open a new one each time"):
            pool.wait_until_ready()
        with pool.get() as connection, pytest.raises(SharedConnectionError), pool.get():
            pass
        assert connection is shared
        assert pool.stats().open == 1
