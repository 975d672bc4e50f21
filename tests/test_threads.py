"""Promise 8: use from a thread that has another hub is an error that says so."""

from __future__ import annotations

import threading
from collections import deque

import gevent
import pytest
from pools import Connection, Pool, assert_whole, hold

from geventconnpool_gov import WrongThread
from geventconnpool_gov.lease import equip
from geventconnpool_gov.ledger import Ledger


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


class Watched(deque):
    """Idle connections, or a queue: calls `before` and `after` around the next one to come."""

    before = after = None

    def append(self, item, put=deque.append):
        before, after, self.before, self.after = self.before, self.after, None, None
        if before:
            before()
        put(self, item)
        if after:
            after()

    def appendleft(self, item):
        self.append(item, deque.appendleft)


def watch(pool):
    """Put watched ones in place of the idle connections and of the queue, and return them."""
    pool._core.ledger.idle = idle = Watched(pool._core.ledger.idle)
    pool._core.ledger.waiters = waiters = Watched()
    equip(pool, pool._core)
    return idle, waiters


def lease_that_ends_the_common_way(pool):
    """Enter one; it does until the loop turns, in whichever thread."""
    hold(pool, 0)
    with pool.get():
        pass
    lease = pool.get()
    lease.__enter__()
    assert lease.entry.simple
    return lease


@pytest.mark.parametrize("options", [{}, {"max_lifetime": 60}, {"lifo": True}])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_caller_who_comes_while_a_foreign_thread_is_ending_the_lease_is_served(moment, options):
    with Pool(1, **options) as pool:
        pool.wait_until_ready(5)
        idle, waiters = watch(pool)
        lease = lease_that_ends_the_common_way(pool)
        there, go_on = threading.Event(), threading.Event()

        def stop():
            there.set()
            go_on.wait(5)

        setattr(idle, moment, stop)
        thread = threading.Thread(target=lease.__exit__, args=(None, None, None))
        thread.start()
        assert there.wait(5)
        caller = gevent.spawn(hold, pool, 0)
        gevent.sleep(0)
        assert len(waiters) == (moment == "before")
        go_on.set()
        thread.join()
        assert caller.get(timeout=5).number == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lease_that_a_foreign_thread_ends_while_a_caller_queues_up_serves_it(moment, monkeypatch):
    # For this instant somebody waits beside an idle connection, which `check` would not have.
    monkeypatch.setattr(Ledger, "join", Ledger.join.__wrapped__)
    with Pool(1) as pool:
        pool.wait_until_ready(5)
        _, waiters = watch(pool)
        lease = lease_that_ends_the_common_way(pool)

        def end_it_elsewhere():
            thread = threading.Thread(target=lease.__exit__, args=(None, None, None))
            thread.start()
            thread.join()

        setattr(waiters, moment, end_it_elsewhere)
        with gevent.Timeout(5):
            assert hold(pool, 0).number == 1


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
    with gevent.Timeout(5, False):
        while len(closed) < 2:
            gevent.sleep(0.01)
    assert closed == {(1, True), (2, True)}
