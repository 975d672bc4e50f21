"""Promise 3: first come, first served."""

from __future__ import annotations

import gevent
import pytest
from pools import Pool, assert_whole, hold

from geventconnpool_gov import PoolTimeout, TooManyRequests


def test_waiters_are_served_in_the_order_in_which_they_came(virtual_clock):
    served = []
    with Pool(2) as pool:
        pool.wait_until_ready()

        def client(number):
            with pool.get():
                served.append(number)
                gevent.sleep(1)

        gevent.joinall([gevent.spawn(client, n) for n in range(50)])
    assert served == list(range(50))


def test_a_newcomer_never_overtakes_a_waiter_that_was_woken(virtual_clock):
    served = []
    with Pool(1) as pool:
        pool.wait_until_ready()

        def waiter():
            with pool.get():
                served.append("waiter")

        with pool.get():
            gevent.spawn(waiter)
            gevent.sleep(0)
        with pool.get():  # in the same instant, before the waiter has run
            served.append("newcomer")
        assert served == ["waiter", "newcomer"]


def test_one_that_borrows_in_a_loop_starves_nobody(virtual_clock):
    rounds = 0
    with Pool(1) as pool:
        pool.wait_until_ready()

        def greedy():
            nonlocal rounds
            for _ in range(1000):
                with pool.get():
                    rounds += 1
                    gevent.sleep(0)

        greenlet = gevent.spawn(greedy)
        gevent.sleep(0)
        with pool.get():
            assert rounds <= 2
        greenlet.kill()


def test_a_discarded_connection_passes_its_place_on_at_once(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.get() as old:
            pool.discard(old)
            waiter = gevent.spawn(hold, pool, 0)
            gevent.sleep(0)
        began = virtual_clock.now
        assert waiter.get() is not old
        assert virtual_clock.now == began


def test_a_waiter_whose_connection_turned_out_dead_keeps_its_turn(virtual_clock):
    served = []
    with Pool(1) as pool:
        pool.wait_until_ready()

        def client(number):
            with pool.get() as connection:
                served.append((number, connection.number))

        with pool.get():
            clients = [gevent.spawn(client, n) for n in (1, 2)]
            gevent.sleep(0)
        # Handed to the first, and dead by the time it looks.
        (entry,) = pool._core.ledger.open.values()
        entry.guard = DeadGuard()
        gevent.joinall(clients, raise_error=True)
        assert served == [(1, 2), (2, 2)]
        assert_whole(pool)


class DeadGuard:
    socket = None

    def alive(self):
        return False

    def disarm(self):
        pass

    close = arm = disarm


def test_a_wait_ends_when_its_time_is_up_and_says_with_which_figures(virtual_clock):
    with Pool(1, timeout=7, name="registry") as pool:
        pool.wait_until_ready()
        with pool.get(), pytest.raises(PoolTimeout) as caught, pool.get():
            pass
        assert virtual_clock.now == 7
        assert str(caught.value) == (
            "pool 'registry': no connection within 7 s: "
            "size 1, open 1, in use 1, idle 0, opening 0, waiting 0"
        )
        assert_whole(pool)


@pytest.mark.parametrize(("timeout", "waited"), [(0, 0), (3, 3)])
def test_a_call_may_bring_its_own_timeout(virtual_clock, timeout, waited):
    with Pool(1, timeout=50) as pool:
        pool.wait_until_ready()
        with pool.get(), pytest.raises(PoolTimeout), pool.get(timeout=timeout):
            pass
        assert virtual_clock.now == waited


def test_no_more_than_max_waiting_wait(virtual_clock):
    with Pool(1, max_waiting=2) as pool:
        pool.wait_until_ready()
        with pool.get():
            waiters = [gevent.spawn(hold, pool, 0) for _ in range(2)]
            gevent.sleep(0)
            with pytest.raises(TooManyRequests, match=r"max_waiting is 2.*waiting 2"), pool.get():
                pass
        gevent.joinall(waiters, raise_error=True)
        assert pool.stats().requests_rejected == 1
        assert_whole(pool)


def test_a_timeout_while_connects_fail_has_the_connect_error_as_its_cause(virtual_clock):
    refused = ConnectionRefusedError("no registry here")
    with Pool(1, connects=[refused] * 100, timeout=5) as pool:
        with pytest.raises(PoolTimeout) as caught, pool.get():
            pass
        assert caught.value.__cause__ is refused


@pytest.mark.large
def test_ten_thousand_waiters_on_ten_connections_are_served_in_order(virtual_clock):
    served = []
    with Pool(10) as pool:
        pool.wait_until_ready()

        def client(number):
            with pool.get():
                served.append(number)
                gevent.sleep(1)

        gevent.joinall([gevent.spawn(client, n) for n in range(10_000)])
    assert served == list(range(10_000))


def test_a_dead_connection_does_not_start_the_time_of_a_wait_anew(virtual_clock):
    with Pool(1, connects=[0] + [100.0] * 9, timeout=10) as pool:
        pool.wait_until_ready()
        with pool.get():
            waiter = gevent.spawn(hold, pool, 0)
            gevent.sleep(6)
        (entry,) = pool._core.ledger.open.values()
        entry.guard = DeadGuard()
        waiter.join()
        assert isinstance(waiter.exception, PoolTimeout)
        assert virtual_clock.now == 10
        assert pool.stats().requests_waited == 1


def test_a_dead_idle_connection_keeps_nobody_longer_than_the_timeout_of_the_call(virtual_clock):
    with Pool(1, connects=[0, 100.0]) as pool:
        pool.wait_until_ready()
        (entry,) = pool._core.ledger.idle
        entry.guard, entry.plain = DeadGuard(), False
        with pytest.raises(PoolTimeout):
            hold(pool, 0, timeout=3)
        assert virtual_clock.now == 3


def test_a_waiter_behind_many_that_gave_up_is_served_all_the_same(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.get():
            gone = [gevent.spawn(hold, pool, 0) for _ in range(100)]
            gevent.sleep(0)
            gevent.killall(gone)
            waiter = gevent.spawn(hold, pool, 0)
            gevent.sleep(0)
        waiter.get(timeout=1)


def test_a_timeout_of_zero_lets_nobody_else_run(virtual_clock):
    ran = []
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.get():
            gevent.spawn(ran.append, 1)
            with pytest.raises(PoolTimeout):
                hold(pool, 0, timeout=0)
            assert ran == []


def test_a_timeout_after_connects_work_again_has_no_old_error_as_its_cause(virtual_clock):
    with Pool(1, connects=[OSError("down")]) as pool:
        pool.wait_until_ready()
        with pool.get(), pytest.raises(PoolTimeout) as caught:
            hold(pool, 0, timeout=1)
        assert caught.value.__cause__ is None
