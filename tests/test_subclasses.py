"""What subclasses written for upstream lean on goes on working, and gets the new promises too."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager

import gevent
import pytest
from gevent.lock import BoundedSemaphore
from pools import Connection, Pool, assert_adds_up, assert_whole, hold

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


def test_a_pool_made_by_hand_and_emptied_opens_nothing_by_itself(virtual_clock):
    pool = ByHand(2)
    gevent.sleep(1)
    gevent.killall(pool.greenlets)
    pool.conn.clear()
    gevent.sleep(1000)
    assert len(pool.made) == 2
    assert pool.stats().open == 0
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


def test_conn_can_be_read_and_changed_like_the_queue_that_it_was(virtual_clock):
    with Pool(3) as pool:
        pool.wait_until_ready()
        first, second, third = pool.conn
        assert pool.conn == deque([first, second, third])
        assert (first in pool.conn, len(pool.conn), pool.conn[0]) == (True, 3, first)
        assert pool.conn.popleft() is first
        assert pool.conn.pop() is third
        assert pool.stats().in_use == 2
        pool.conn.append(third)
        pool.conn.append(first)
        assert list(pool.conn) == [second, third, first]
        pool.conn.remove(second)
        assert_adds_up(pool)
        gevent.sleep(1)
        assert len(pool.conn) == 3
        assert not second.closed
        for _ in range(3):
            pool.conn.popleft()
        with pytest.raises(IndexError, match="no connection is idle"):
            pool.conn.popleft()


def test_a_subclass_with_a_get_of_its_own_over_lock_and_conn_works(virtual_clock):
    class OwnGet(Pool):
        @contextmanager
        def get(self, *_):
            assert self.lock.acquire()
            lent = self.conn.popleft()
            broken = False
            try:
                yield lent
            except OSError:
                broken = True
                raise
            finally:
                if broken:  # as upstream: it is dropped, and another one opened in a while
                    gevent.Greenlet(self._addOne).start_later(1)
                else:
                    self.conn.append(lent)
                    self.lock.release()

    with OwnGet(2) as pool:
        order = []

        def client(number):
            with pool.get():
                order.append(number)
                gevent.sleep(1)

        gevent.joinall([gevent.spawn(client, n) for n in range(8)], raise_error=True)
        assert order == list(range(8))
        for _ in range(5):
            with pytest.raises(OSError, match="broken"), pool.get():
                raise OSError("broken")
        assert_whole(pool)


def test_a_subclass_with_an_add_one_of_its_own_opens_by_it(virtual_clock):
    class OwnAdd(Pool):
        def _addOne(self):  # noqa: N802
            while True:
                try:
                    connection = self._new_connection()
                except OSError:  # noqa: PERF203  this is how such subclasses look
                    gevent.sleep(1)
                else:
                    break
            self.conn.append(connection)
            self.lock.release()

    with OwnAdd(3, connects=[OSError(), 0, OSError()]) as pool:
        pool.wait_until_ready(20)
        assert_whole(pool)
        assert pool.stats().connect_errors == 0


def test_a_subclass_that_wraps_add_one_is_asked_for_every_connection(virtual_clock):
    calls = []

    class Wrapping(Pool):
        def _addOne(self):  # noqa: N802
            calls.append(1)
            super()._addOne()

    with Wrapping(2, connects=[OSError()]) as pool:
        assert_whole(pool)
        assert len(calls) == 3


@pytest.mark.parametrize("fault", ["raises", "returns"])
def test_an_add_one_that_adds_nothing_is_tried_again_and_costs_no_capacity(virtual_clock, fault):
    class Faulty(Pool):
        calls = 0

        def _addOne(self):  # noqa: N802
            self.calls += 1
            if self.calls > 3:
                super()._addOne()
            elif fault == "raises":
                raise LookupError("odd")

    with Faulty(1) as pool:
        assert_whole(pool)


def test_a_subclass_with_a_periodic_keepalive_of_its_own_runs_it(virtual_clock):
    class OwnPeriod(Pool):
        rounds = 0

        def _keepalive_periodic(self) -> None:
            while True:
                with self.get():
                    self.rounds += 1
                gevent.sleep(self.keepalive / self.size)

    with OwnPeriod(2, keepalive=10) as pool:
        gevent.sleep(101)
        assert 20 <= pool.rounds <= 22


def test_add_one_called_on_a_full_pool_opens_nothing(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
        pool._addOne()
        assert len(pool.made) == 2


def test_spawn_frequency_may_be_set_on_the_class_or_the_instance(virtual_clock):
    class Slow(Pool):
        SPAWN_FREQUENCY = 7.0

    with Slow(3) as pool:
        pool.wait_until_ready()
        assert virtual_clock.now == 14


def test_attributes_that_a_subclass_sets_for_itself_mean_nothing_to_the_pool(virtual_clock):
    class Own(Pool):
        def __init__(self):
            super().__init__(1)
            self.timeout = self.name = self.max_waiting = self.core = "mine"

    with Own() as pool:
        assert_whole(pool)
        assert pool.stats().name is None


def test_a_size_that_is_never_given_is_an_error_that_says_so(virtual_clock):
    from geventconnpool_gov import PoolError

    class Sizeless(ConnectionPool):
        def __init__(self):
            pass

    with pytest.raises(PoolError, match="the pool has no size"), Sizeless().get():
        pass


def test_a_connection_put_into_a_full_pool_is_refused_and_costs_nothing(virtual_clock):
    from geventconnpool_gov import SharedConnectionError

    with Pool(1) as pool:
        pool.wait_until_ready()
        with pytest.raises(ValueError, match="no room for another connection"):
            pool.conn.append(Connection(99))
        assert_whole(pool)
    with Pool(2, min_size=1) as pool:
        pool.wait_until_ready()
        with pytest.raises(SharedConnectionError):
            pool.conn.append(pool.conn[0])
        pool.conn.append(Connection(99))
        assert len(pool.conn) == 2


def test_add_one_by_hand_does_not_hammer_a_peer_that_refuses(virtual_clock, steady_jitter):
    pool = ByHand(1, connects=[OSError("down")] * 999)
    gevent.sleep(60)
    assert 999 - len(pool.connects) < 15
    ended(pool)


def test_a_healthy_connection_comes_back_though_another_broke_meanwhile(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
        healthy, broken = pool.conn.popleft(), pool.conn.popleft()
        pool._addOne()  # for the broken one, says the subclass; but which that is, it does not say
        pool.conn.append(healthy)
        assert broken not in pool.conn
        assert_whole(pool)


def test_a_lock_that_is_not_to_block_does_not_though_what_is_idle_is_dead(virtual_clock):
    class Dead:
        socket = None

        def alive(self):
            return False

        def disarm(self):
            pass

        close = cut_off = disarm

    with Pool(1, connects=[0, 50.0]) as pool:
        pool.wait_until_ready()
        (entry,) = pool._core.ledger.idle
        entry.guard, entry.plain = Dead(), False
        assert pool.lock.acquire(blocking=False) is False
        assert virtual_clock.now == 0
