"""Promise 7: closing is finite, and whatever is taken out of service is closed."""

from __future__ import annotations

import contextlib

import gevent
import gevent.socket
import pytest
from peers import echo
from pools import Pool, assert_whole, hold

from geventconnpool_gov import PoolClosed


def test_waiters_get_pool_closed_at_once_and_so_does_every_later_call(virtual_clock):
    pool = Pool(1)
    holder = gevent.spawn(hold, pool, 50)
    waiters = [gevent.spawn(hold, pool, 0) for _ in range(3)]
    gevent.sleep(1)
    pool.close()
    gevent.joinall(waiters)
    assert virtual_clock.now == 1
    assert all(isinstance(waiter.exception, PoolClosed) for waiter in waiters)
    with pytest.raises(PoolClosed, match="Pool is closed"):
        hold(pool, 0)
    holder.join()


def test_idle_connections_close_in_parallel_and_close_returns_when_they_have(virtual_clock):
    pool = Pool(20)
    pool.wait_until_ready()
    pool.closing_takes = 3.0
    pool.close()
    assert virtual_clock.now == 3
    assert pool.still_open == []


def test_a_lent_connection_is_closed_when_it_comes_back(virtual_clock):
    pool = Pool(1)
    holder = gevent.spawn(hold, pool, 50)
    gevent.sleep(1)
    pool.close()
    assert virtual_clock.now == 1
    used = holder.get()
    gevent.sleep(0)
    assert used.closed == 1
    assert pool.stats().closed["shutdown"] == 1


def test_close_waits_for_lent_connections_up_to_its_timeout(virtual_clock):
    pool = Pool(2)
    pool.wait_until_ready()
    quick, slow = gevent.spawn(hold, pool, 5), gevent.spawn(hold, pool, 5000)
    gevent.sleep(0)
    pool.close(timeout=20)
    assert virtual_clock.now == 20
    assert quick.ready()
    assert pool.still_open == []
    assert pool.stats().open == 0
    slow.kill()
    assert all(connection.closed == 1 for connection in pool.made)


def test_close_returns_early_when_the_last_lent_connection_is_back(virtual_clock):
    pool = Pool(1)
    pool.wait_until_ready()
    gevent.spawn(hold, pool, 5)
    gevent.sleep(0)
    pool.close(timeout=1000)
    assert virtual_clock.now == 5


def test_a_close_that_hangs_is_bounded_by_check_timeout(virtual_clock):
    pool = Pool(3, check_timeout=2)
    pool.wait_until_ready()
    pool.closing_takes = 10**6
    pool.close()
    assert virtual_clock.now == 2


def test_an_interrupted_close_goes_on_without_its_caller(virtual_clock):
    pool = Pool(2)
    pool.wait_until_ready()
    slow = gevent.spawn(hold, pool, 5000)
    gevent.sleep(0)
    with gevent.Timeout(1, False):
        pool.close(timeout=10)
    gevent.sleep(9.5)
    assert pool.still_open == []
    slow.kill()


@pytest.mark.parametrize("error", [OSError, ValueError, gevent.Timeout, gevent.GreenletExit])
def test_whatever_a_close_raises_the_connection_below_is_closed(virtual_clock, error):
    class Connection:
        closed = False

        def close(self):
            self.closed = True

    class Rude(Pool):
        def _new_connection(self) -> object:
            self.made.append(Connection())
            return self.made[-1]

        def _close_connection(self, c):
            raise error

    with Rude(1) as pool:
        with pool.get() as used:
            pool.discard(used)
        assert_whole(pool)
        assert used.closed


def test_a_connect_under_way_is_ended_and_what_it_brings_too_late_is_closed(virtual_clock):
    class Stubborn(Pool):
        def _new_connection(self) -> object:
            try:
                return super()._new_connection()
            except gevent.GreenletExit:
                return super()._new_connection()

    pool = Stubborn(1, connects=[100, 3])
    gevent.sleep(1)
    pool.close()
    gevent.sleep(10)
    assert (len(pool.made), pool.still_open) == (1, [])


def test_a_pool_may_be_closed_twice_and_from_a_callback_and_inside_its_own_lease(virtual_clock):
    pool, returned = Pool(2), []
    pool.wait_until_ready()
    with pool.get():
        gevent.get_hub().loop.run_callback(lambda: returned.append(pool.close()))
        gevent.sleep(0)
        assert returned == [None]
        pool.close()
    pool.close(timeout=5)
    assert virtual_clock.now == 0
    assert pool.still_open == []


def test_leaving_the_with_block_of_a_pool_closes_it(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
    assert pool.still_open == []


def test_a_discard_waits_for_nothing_though_the_close_hangs(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
        pool.closing_takes = 10**6
        with pool.get() as used:
            pool.discard(used)
        hold(pool, 0)
        assert virtual_clock.now == 0
        gevent.sleep(100)
        pool.closing_takes = 0


@pytest.mark.parametrize("own", [None, OSError("late"), gevent.Timeout(1)])
def test_a_lease_whose_connection_was_closed_under_it_ends_in_no_error_but_its_own(
    virtual_clock, own
):
    pool = Pool(1)
    pool.wait_until_ready()
    with contextlib.suppress(OSError, gevent.Timeout), pool.get() as used:
        pool.close(timeout=0)
        assert used.closed == 1
        if own is not None:
            raise own
    gevent.sleep(1)
    assert used.closed == 1
    assert pool.stats().closed["shutdown"] == 1
    assert sum(pool.stats().closed.values()) == 1


def test_each_waiter_is_told_by_an_error_of_its_own(virtual_clock):
    pool = Pool(1, connects=[100])
    waiters = [gevent.spawn(hold, pool, 0) for _ in range(2)]
    starter = gevent.spawn(pool.wait_until_ready)
    gevent.sleep(1)
    pool.close()
    errors = [waiter.exception for waiter in (*waiters, starter) if waiter.join() is None]
    assert virtual_clock.now == 1
    assert all(isinstance(error, PoolClosed) for error in errors)
    assert len(set(map(id, errors))) == 3


@pytest.mark.parametrize("discarded", [False, True])
def test_a_waiter_whose_connection_is_closed_at_the_hand_off_is_told_and_nothing_is_lost(
    virtual_clock, discarded
):
    pool = Pool(1)
    pool.wait_until_ready()
    with pool.get() as used:
        waiter = gevent.spawn(hold, pool, 0)
        gevent.sleep(0)
    # It was handed over, and is taken away before the waiter has run.
    if discarded:
        pool.discard(used)
    pool.close(timeout=None if discarded else 0)
    waiter.join()
    assert isinstance(waiter.exception, PoolClosed)
    gevent.sleep(1)
    assert used.closed == 1


def test_a_discarded_connection_is_not_reset_nor_is_one_of_a_closed_pool(virtual_clock):
    class Resetting(Pool):
        resets = 0

        def _reset(self, c):
            self.resets += 1

    pool = Resetting(1)
    with pool.get() as used:
        pool.discard(used)
    with pool.get():
        pool.close()
    assert pool.resets == 0


def test_a_connection_closed_under_its_reset_is_closed_once(virtual_clock):
    class Resetting(Pool):
        def _reset(self, c):
            gevent.sleep(1)
            raise OSError("gone")

    pool = Resetting(1)
    user = gevent.spawn(hold, pool, 0)
    gevent.sleep(0.5)
    pool.close(timeout=0)
    user.get()
    assert [connection.closed for connection in pool.made] == [1]


def test_a_later_close_does_not_put_off_the_deadline_of_an_earlier_one(virtual_clock):
    pool = Pool(1)
    holder = gevent.spawn(hold, pool, 100)
    gevent.sleep(0)
    first = gevent.spawn(pool.close, 5)
    gevent.sleep(1)
    pool.close(60)
    assert virtual_clock.now == 5
    first.join()
    holder.kill()


def test_closing_waits_for_a_probe_that_is_under_way(virtual_clock):
    class Slow(Pool):
        def _keepalive(self, c) -> None:
            gevent.sleep(1000)

    with Slow(1, keepalive=10, check_timeout=100) as pool:
        gevent.sleep(15)
        assert pool.stats().in_use == 1
    assert pool.made[0].closed
    assert virtual_clock.now == 15


def test_nothing_is_said_about_a_connect_that_the_close_ended(virtual_clock, caplog):
    pool = Pool(1, connects=[100.0])
    gevent.sleep(1)
    pool.close()
    gevent.sleep(1)
    assert pool.stats().connect_errors == 0
    assert caplog.messages == []


def test_a_pool_is_called_closed_when_its_last_connection_is_back_and_not_before(
    virtual_clock, caplog
):
    caplog.set_level("INFO")
    pool = Pool(1)
    holder = gevent.spawn(hold, pool, 50)
    gevent.sleep(1)
    pool.close()
    assert "Pool: closed" not in caplog.messages
    holder.join()
    gevent.sleep(1)
    assert caplog.messages[-1] == "Pool: closed"


def test_a_second_way_to_close_that_hangs_costs_no_more_than_check_timeout(virtual_clock):
    class Connection:
        def close(self):
            gevent.sleep(10**6)

    class Rude(Pool):
        def _new_connection(self) -> object:
            return Connection()

        def _close_connection(self, c):
            raise OSError("no goodbye")

    with Rude(1, check_timeout=2) as pool:
        with pool.get() as used:
            pool.discard(used)
        assert hold(pool, 0, timeout=5) is not used
        assert virtual_clock.now == 2


def test_the_socket_below_is_closed_when_its_owner_cannot_be():
    class Client:
        def __init__(self, sock):
            self.sock = sock

        def close(self):
            raise OSError("no goodbye")

    class Wrapped(Pool):
        def _new_connection(self) -> object:
            return Client(gevent.socket.create_connection(peer.address))

        def _socket(self, c):
            return c.sock

        def _close_connection(self, c):
            c.close()

    with echo() as peer:
        with Wrapped(1) as pool:
            client = hold(pool, 0)
        assert client.sock.fileno() == -1


def test_a_keyboard_interrupt_during_a_close_reaches_the_program(virtual_clock, capsys):
    class Interrupted(Pool):
        def _close_connection(self, c) -> None:
            super()._close_connection(c)
            if c.number == 1:
                raise KeyboardInterrupt

    with Interrupted(1) as pool:
        with pool.get() as used:
            pool.discard(used)
        with pytest.raises(KeyboardInterrupt):
            gevent.sleep(10)
        assert hold(pool, 0).number == 2
        assert_whole(pool)


def test_a_lease_that_close_has_ended_may_still_discard(virtual_clock):
    pool = Pool(1)
    with pool.get() as connection:
        pool.close(timeout=1)
        assert connection.closed
        pool.discard(connection)
    assert connection.closed == 1
