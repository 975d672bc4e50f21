"""A subclass that never calls `ConnectionPool.__init__` works, and by its own `_addOne` alone."""

from __future__ import annotations

from collections import deque

import gevent
import pytest
from gevent.lock import BoundedSemaphore
from pools import Connection, assert_whole, hold

from geventconnpool_gov import ConnectionPool


class ByHand(ConnectionPool):
    """Never calls `ConnectionPool.__init__`: makes its own queue and lock, and starts over."""

    def __init__(self, size, connects=(), keepalive=None):
        self.connects, self.made, self.greenlets = list(connects), [], []
        self.size, self.exc_classes, self.keepalive = size, (OSError,), keepalive
        self.probed = 0
        self.conn, self.lock = deque(), BoundedSemaphore(self.size)
        self.populate()

    def populate(self):
        for _ in range(self.size):
            assert self.lock.acquire()
        for number in range(self.size):
            self.greenlets.append(gevent.spawn_later(0.1 * number, self._addOne))
        if self.keepalive is not None:
            keeper = gevent.spawn(self._keepalive_periodic)
            self.greenlets.append(keeper)

    def start_over(self):
        gevent.killall(self.greenlets)
        self.greenlets.clear()
        for connection in self.conn:
            connection.closed += 1
        self.conn.clear()
        self.lock = BoundedSemaphore(self.size)
        self.populate()

    def _new_connection(self) -> object:
        step = self.connects.pop(0) if self.connects else 0.0
        if isinstance(step, BaseException):
            raise step
        gevent.sleep(step)
        self.made.append(Connection(len(self.made) + 1))
        return self.made[-1]

    def _keepalive(self, c) -> None:
        self.probed += 1

    def _close_connection(self, c):
        c.closed += 1


def ended(pool):
    gevent.killall(pool.greenlets)
    pool.close()


def test_a_pool_made_by_hand_opens_its_connections(virtual_clock):
    pool = ByHand(3)
    gevent.sleep(1)
    assert len(pool.conn) == 3
    assert pool.lock.counter == 3
    assert sorted(connection.number for connection in pool.conn) == [1, 2, 3]
    assert_whole(pool)
    ended(pool)


def test_a_pool_made_by_hand_survives_failed_connects_and_interrupted_leases(virtual_clock):
    pool = ByHand(2, connects=[OSError("down"), OSError("down"), 1.0])
    with pytest.raises(gevent.Timeout), gevent.Timeout(20), pool.get():
        gevent.sleep(100)
    assert_whole(pool)
    ended(pool)


def test_a_pool_made_by_hand_can_be_killed_emptied_and_started_over(virtual_clock):
    pool = ByHand(2)
    gevent.sleep(1)
    holder = gevent.spawn(hold, pool, 100)
    gevent.sleep(1)
    pool.start_over()
    gevent.sleep(1)
    assert len(pool.conn) == 2
    assert [connection.closed for connection in pool.made] == [0, 1, 0, 0]
    holder.join()
    gevent.sleep(1)
    assert [connection.closed for connection in pool.made] == [1, 1, 0, 0]
    assert_whole(pool)
    ended(pool)


def test_starting_over_while_connects_are_under_way_leaves_none_behind(virtual_clock):
    pool = ByHand(2, connects=[50.0, 50.0])
    gevent.sleep(5)
    pool.start_over()
    gevent.sleep(100)
    assert [connection.number for connection in pool.made] == [1, 2]
    assert_whole(pool)
    ended(pool)


def test_killing_the_greenlets_of_a_pool_made_by_hand_ends_its_failing_connects(virtual_clock):
    pool = ByHand(2, connects=[OSError("down"), OSError("down"), 50.0, 50.0, 50.0])
    gevent.sleep(20)
    gevent.killall(pool.greenlets)
    gevent.sleep(1000)
    assert pool.made == []
    assert pool.stats().opening == 0
    pool.close()


def test_a_pool_made_by_hand_and_emptied_opens_only_what_a_caller_asks_for(virtual_clock):
    pool = ByHand(2)
    gevent.sleep(1)
    gevent.killall(pool.greenlets)
    pool.conn.clear()
    gevent.sleep(1000)
    assert len(pool.made) == 2
    assert pool.stats().open == 0
    assert hold(pool, 0).number == 3
    gevent.sleep(1000)
    assert len(pool.made) == 3
    pool.close()


def test_a_pool_made_by_hand_replaces_what_breaks(virtual_clock):
    pool = ByHand(1)
    with pytest.raises(OSError, match="broken"), pool.get() as used:
        raise OSError("broken")
    assert hold(pool, 0) is not used
    assert_whole(pool)
    ended(pool)


def test_a_keepalive_spawned_by_hand_probes_until_it_is_killed(virtual_clock):
    pool = ByHand(1, keepalive=10)
    gevent.sleep(101)
    probed = pool.probed
    assert probed >= 9
    gevent.killall(pool.greenlets)
    gevent.sleep(100)
    assert pool.probed == probed
    pool.close()


def test_add_one_by_hand_does_not_hammer_a_peer_that_refuses(virtual_clock, steady_jitter):
    pool = ByHand(1, connects=[OSError("down")] * 999)
    gevent.sleep(60)
    assert 999 - len(pool.connects) < 15
    ended(pool)


def test_a_pool_made_by_hand_with_a_new_lock_opens_only_what_a_caller_asks_for(virtual_clock):
    pool = ByHand(2)
    gevent.sleep(1)
    gevent.killall(pool.greenlets)
    holders = [gevent.spawn(hold, pool, 5) for _ in range(2)]
    gevent.sleep(1)
    pool.lock = BoundedSemaphore(2)
    gevent.sleep(1000)
    assert len(pool.made) == 2
    gevent.joinall(holders, raise_error=True)
    pool.close()


def test_a_caller_is_served_though_the_add_one_that_it_waits_for_is_killed(virtual_clock):
    pool = ByHand(1, connects=[50.0])
    gevent.sleep(1)
    waiter = gevent.spawn(hold, pool, 0)
    gevent.sleep(1)
    gevent.killall(pool.greenlets)
    waiter.join(timeout=20)
    assert waiter.successful()
    pool.close()


def test_a_new_lock_is_acquired_size_times_and_then_waits_for_connections(virtual_clock):
    pool = ByHand(2, connects=[5.0, 5.0])  # it acquires both
    assert not pool.lock.acquire(blocking=False)
    assert_whole(pool)
    assert pool.lock.acquire(blocking=False)
    pool.lock.release()
    ended(pool)


def test_connections_opened_by_hand_are_taken_in_together(virtual_clock):
    pool = ByHand(2, connects=[50.0, 50.0])
    gevent.killall(pool.greenlets)
    pool.conn.extend([Connection(1), Connection(2)])
    assert repr(pool.conn) == "<2 idle connections>"
    assert sorted(hold(pool, 0).number for _ in range(2)) == [1, 2]
    assert_whole(pool)
    ended(pool)


def test_the_lock_tells_whether_acquiring_it_would_wait(virtual_clock):
    pool = ByHand(1)
    gevent.sleep(1)
    assert not pool.lock.locked()
    with pool.get():
        assert pool.lock.locked()
    ended(pool)
