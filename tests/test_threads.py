"""Promise 8: use from a thread that has another hub is an error that says so."""

from __future__ import annotations

import gevent
import pytest
from pools import Connection, Pool, assert_whole, hold

from geventconnpool_gov import WrongThread


def in_thread(function, *args):
    """Run a function in a real thread; what it returned, or raised."""

    def caught():
        try:
            return function(*args)
        except Exception as error:
            return error

    return gevent.get_hub().threadpool.apply(caught)


@pytest.mark.parametrize("use", [lambda p: hold(p, 0), lambda p: p.close()])
def test_use_from_another_thread_is_refused_and_says_why(use):
    with Pool(1) as pool:
        pool.wait_until_ready(5)
        error = in_thread(use, pool)
        assert isinstance(error, WrongThread)
        assert "make a pool in each thread" in str(error)
        assert hold(pool, 0).number == 1


def test_a_lease_that_ends_in_another_thread_still_gives_its_connection_back():
    with Pool(1) as pool:
        lease = pool.get()
        lease.__enter__()
        waiter = gevent.spawn(hold, pool, 0)
        gevent.sleep(0)
        assert in_thread(lease.__exit__, None, None, None) is None
        assert waiter.get(timeout=5).number == 1


def test_a_callback_of_the_loop_cannot_wait_and_is_told_so(virtual_clock):
    from geventconnpool_gov import PoolError

    errors = []

    def callback():
        try:
            hold(pool, 0)
        except PoolError as error:
            errors.append(str(error))

    with Pool(1) as pool:
        gevent.get_hub().loop.run_callback(callback)
        assert_whole(pool)
    assert errors == ["a callback of the event loop cannot wait for a connection; spawn a greenlet"]


def test_a_pool_that_another_thread_lets_go_is_closed_by_its_own(monkeypatch):
    home, closed = gevent.get_hub(), set()

    def close(connection):
        closed.add((connection.number, gevent.get_hub() is home))

    monkeypatch.setattr(Connection, "close", close, raising=False)
    held = [Pool(2)]
    held[0].wait_until_ready(5)
    in_thread(held.clear)
    gevent.sleep(0.05)
    assert closed == {(1, True), (2, True)}
