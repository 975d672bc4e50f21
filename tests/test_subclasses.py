"""What subclasses written for upstream lean on goes on working, and gets the new promises too."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager

import gevent
import pytest
from gevent.lock import BoundedSemaphore
from pools import Connection, Pool, assert_adds_up, assert_whole, hold

from geventconnpool_gov import ConnectionPool, PoolTimeout


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
        with pytest.raises(ValueError, match="not idle"):
            pool.conn.remove(Connection(99))
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


@pytest.mark.parametrize("error", [LookupError("odd"), gevent.Timeout(1), None])
def test_an_add_one_that_adds_nothing_is_tried_again_and_costs_no_capacity(virtual_clock, error):
    class Faulty(Pool):
        calls = 0

        def _addOne(self):  # noqa: N802
            self.calls += 1
            if self.calls > 3:
                super()._addOne()
            elif error is not None:
                raise error

    with Faulty(1) as pool:
        assert_whole(pool)
        assert pool.stats().connect_errors == (0 if error is None else 3)


def test_an_add_one_that_fails_after_it_has_added_keeps_its_connection(virtual_clock, caplog):
    class Faulty(Pool):
        def _addOne(self):  # noqa: N802
            super()._addOne()
            raise LookupError("odd")

    with Faulty(1) as pool:
        assert_whole(pool)
        assert (len(pool.made), pool.stats().connect_errors) == (1, 0)
    assert "_addOne raised: LookupError: odd" in caplog.text


def test_an_add_one_that_never_adds_is_not_called_without_end(virtual_clock):
    class Idler(Pool):
        calls = 0

        def _addOne(self):  # noqa: N802
            self.calls += 1
            if self.calls > 1000:
                super()._addOne()

    with Idler(1) as pool:
        gevent.sleep(10)
        assert 3 <= pool.calls < 1000


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


def test_lock_reserves_a_connection_until_it_is_released(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.lock:
            assert (pool.stats().idle, len(pool.conn)) == (0, 1)
            assert not pool.lock.acquire(blocking=False)
            with pytest.raises(PoolTimeout):
                pool.lock.acquire(timeout=3)
            assert virtual_clock.now == 3
        assert pool.stats().idle == 1


def test_a_new_lock_leaves_what_is_idle_and_forgets_what_is_lent(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
        holder = gevent.spawn(hold, pool, 5)
        gevent.sleep(1)
        idle = list(pool.conn)
        pool.lock = BoundedSemaphore(2)
        assert list(pool.conn) == idle
        holder.join()
        assert_whole(pool)
        assert [connection.closed for connection in pool.made] == [1, 0, 0]


def test_a_lease_that_breaks_after_a_new_lock_ends_in_its_own_error(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        lease = pool.get()
        used = lease.__enter__()
        pool.lock = BoundedSemaphore(1)
        assert not lease.__exit__(OSError, OSError("broken"), None)
        assert_whole(pool)
        assert used.closed == 1
