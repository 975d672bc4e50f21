"""Promise 4: connects run beside the callers, a few at a time, bounded, and back off."""

from __future__ import annotations

import itertools

import gevent
import pytest
from peers import black_hole, closing, full_backlog, refused_port
from pools import Pool, assert_whole, hold

from geventconnpool_gov import ConnectionPool, PoolClosed, PoolConnectError, PoolTimeout


class Refused(Exception):
    """A login that is refused."""


def test_no_more_than_max_connecting_connects_run_at_a_time(virtual_clock):
    most = 0

    class Counting(Pool):
        def _new_connection(self) -> object:
            nonlocal most
            most = max(most, self.stats().opening)
            return super()._new_connection()

    with Counting(10, connects=[1.0] * 10, max_connecting=4) as pool:
        pool.wait_until_ready()
        assert most == 4
        assert virtual_clock.now == 3  # 4 + 4 + 2, a second each


def test_start_up_connects_come_spawn_frequency_apart(virtual_clock):
    class Paced(Pool):
        SPAWN_FREQUENCY = 2.0

    with Paced(4) as pool:
        pool.wait_until_ready()
        assert virtual_clock.now == 6


def test_a_waiting_caller_outranks_the_start_up_pace(virtual_clock):
    class Paced(Pool):
        SPAWN_FREQUENCY = 1000.0

    with Paced(3) as pool:
        gevent.joinall([gevent.spawn(hold, pool, 1) for _ in range(3)], raise_error=True)
        assert virtual_clock.now == 1


def test_a_caller_takes_the_first_connection_that_is_free_not_the_one_it_caused(virtual_clock):
    with Pool(2, connects=[0, 100.0], min_size=1) as pool:
        gevent.spawn(hold, pool, 1)
        gevent.sleep(0)
        assert hold(pool, 0).number == 1
        assert virtual_clock.now == 1
        assert pool.stats().opening == 1


def test_failures_back_off_exponentially_up_to_a_limit(virtual_clock, steady_jitter):
    times = []

    class Failing(Pool):
        def _new_connection(self) -> object:
            times.append(virtual_clock.now)
            raise OSError("refused")

    with Failing(5):
        gevent.sleep(300)
    gaps = [round(b - a, 3) for a, b in itertools.pairwise(times[3:])]
    assert gaps[:3] == [0.8, 1.6, 3.2]
    assert set(gaps[6:]) == {30.0}


@pytest.mark.parametrize("outage", [600, 60_000])
def test_a_waiting_caller_is_not_kept_waiting_by_a_long_backoff(
    virtual_clock, steady_jitter, outage
):
    class Down(Pool):
        down = True

        def _new_connection(self) -> object:
            if self.down:
                raise OSError("down")
            return super()._new_connection()

    with Down(1) as pool:
        gevent.sleep(outage)
        pool.down = False
        began = virtual_clock.now
        hold(pool, 0)
        assert virtual_clock.now - began <= 2


def test_backoff_has_full_jitter(virtual_clock, monkeypatch):
    asked = []
    monkeypatch.setattr("random.uniform", lambda low, high: asked.append((low, high)) or high)
    with Pool(1, connects=[OSError()] * 4) as pool:
        assert_whole(pool)
    assert asked == [(0.0, 0.1), (0.0, 0.2), (0.0, 0.4), (0.0, 0.8)]


def test_after_a_refusal_the_next_attempt_waits_half_a_second_at_least(virtual_clock, monkeypatch):
    asked = []
    monkeypatch.setattr("random.uniform", lambda low, high: asked.append((low, high)) or high)
    with Pool(1, connects=[Refused()] * 3, fatal_exc_classes=Refused) as pool:
        assert_whole(pool)
    assert asked == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]


def test_after_an_outage_the_pool_fills_again_at_once(virtual_clock, steady_jitter):
    with Pool(6, connects=[OSError("down")] * 9) as pool:
        pool.wait_until_ready(60)
        first = virtual_clock.now
        assert pool.stats().open == 6
        assert first < 60
        assert pool._core.opener.backoff.failures == 0


def test_a_fatal_connect_error_is_told_to_the_waiting_callers_at_once(virtual_clock):
    with Pool(3, connects=[Refused("password")] * 9, fatal_exc_classes=Refused) as pool:
        callers = [gevent.spawn(hold, pool, 0) for _ in range(5)]
        gevent.joinall(callers)
        assert virtual_clock.now == 0
        for caller in callers:
            assert isinstance(caller.exception, PoolConnectError)
            assert isinstance(caller.exception.__cause__, Refused)


def test_a_refusal_is_not_hammered_and_new_callers_are_told_without_a_connect(virtual_clock):
    with Pool(3, connects=[Refused("password")] * 999, fatal_exc_classes=(Refused,)) as pool:
        for _ in range(100):
            with pytest.raises(PoolConnectError):
                hold(pool, 0)
            gevent.sleep(1)
        assert pool.stats().connect_errors < 15


def test_after_a_refusal_was_mended_callers_are_served_again(virtual_clock):
    with Pool(1, connects=[Refused("password")] * 2, fatal_exc_classes=(Refused,)) as pool:
        with pytest.raises(PoolConnectError):
            hold(pool, 0)
        gevent.sleep(10)
        assert hold(pool, 0).number == 1


def test_waiting_until_ready_ends_in_a_timeout_that_says_why(virtual_clock):
    with Pool(2, connects=[OSError("down")] * 99, name="imap") as pool:
        with pytest.raises(PoolTimeout, match="pool 'imap': fewer than 2 connections") as caught:
            pool.wait_until_ready(5)
        assert str(caught.value.__cause__) == "down"


@pytest.mark.parametrize("began", [0, 0.1])
def test_waiting_until_ready_is_told_of_a_refusal_at_once(virtual_clock, steady_jitter, began):
    with Pool(2, connects=[Refused()] * 9, fatal_exc_classes=(Refused,)) as pool:
        gevent.sleep(began)
        with pytest.raises(PoolConnectError):
            pool.wait_until_ready(5)
        assert virtual_clock.now == began


def test_waiting_until_ready_has_one_deadline_however_often_it_is_woken(virtual_clock):
    with Pool(1, connects=[1.0, 2.0]) as pool:

        def first():
            pool.wait_until_ready()
            pool.discard(pool.conn[0])

        gevent.spawn(first)
        second = gevent.spawn(pool.wait_until_ready, 2.5)
        second.join()
        assert isinstance(second.exception, PoolTimeout)
        assert virtual_clock.now == 2.5


def test_waiting_until_ready_ends_when_another_closes_the_pool_in_that_moment(virtual_clock):
    pool = Pool(1, connects=[1.0])

    def first():
        pool.wait_until_ready()
        pool.close()

    gevent.spawn(first)
    second = gevent.spawn(pool.wait_until_ready)
    second.join(timeout=5)
    assert isinstance(second.exception, PoolClosed)


def test_a_pool_with_a_smaller_min_size_opens_more_when_callers_wait(virtual_clock):
    with Pool(5, min_size=1) as pool:
        gevent.sleep(10)
        assert pool.stats().open == 1
        gevent.joinall([gevent.spawn(hold, pool, 1) for _ in range(3)])
        assert pool.stats().open == 3


class TcpPool(ConnectionPool):
    SPAWN_FREQUENCY = 0.0

    def __init__(self, address, **options):
        self.address = address
        super().__init__(1, **options)

    def _new_connection(self) -> object:
        return gevent.socket.create_connection(self.address)


def test_a_refused_port_is_a_timeout_with_its_cause_not_a_hang():
    with refused_port() as place, TcpPool(place.address, timeout=0.2) as pool:
        with pytest.raises(PoolTimeout) as caught:
            hold(pool, 0)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_peer_whose_kernel_drops_connects_is_bounded_by_connect_timeout():
    with full_backlog() as place, TcpPool(place.address, connect_timeout=0.1) as pool:
        with pytest.raises(PoolTimeout) as caught:
            hold(pool, 0, timeout=0.3)
        assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize("peer", [black_hole, closing])
def test_a_greeting_that_never_comes_is_bounded_like_any_other_fault(peer):
    class Greeted(TcpPool):
        def _new_connection(self) -> object:
            connection = super()._new_connection()
            try:
                if not connection.recv(1):
                    raise ConnectionError("no greeting")
            except BaseException:
                connection.close()
                raise
            return connection

    with peer() as place, Greeted(place.address, connect_timeout=0.1) as pool:
        with pytest.raises(PoolTimeout) as caught:
            hold(pool, 0, timeout=0.4)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_connect_may_take_as_long_as_it_likes_without_a_connect_timeout(virtual_clock):
    with Pool(1, connects=[10_000.0], connect_timeout=None) as pool:
        assert hold(pool, 0).number == 1
        assert virtual_clock.now == 10_000


def test_an_error_whose_causes_make_a_ring_keeps_no_frames_either(virtual_clock):
    inner, outer = OSError("half open"), RuntimeError("login failed")
    inner.__cause__, outer.__cause__ = outer, inner
    with Pool(1, connects=[inner, outer]) as pool:
        assert_whole(pool)
    assert (inner.__traceback__, outer.__traceback__) == (None, None)


def test_what_a_failed_connect_left_in_its_frames_is_not_kept(virtual_clock):
    import gc
    import weakref

    class Half:
        pass

    halves = []

    class Failing(Pool):
        def _new_connection(self) -> object:
            half = Half()
            halves.append(weakref.ref(half))
            raise OSError("login failed")

    with Failing(1):
        gevent.sleep(1)
        gc.collect()
        assert halves
        assert not any(reference() for reference in halves)


def test_after_a_refusal_a_caller_still_waits_for_what_is_open(virtual_clock):
    connects = [0, Refused("password"), Refused("password"), Refused("password")]
    with Pool(2, connects=connects, fatal_exc_classes=(Refused,), max_connecting=1) as pool:
        holder = gevent.spawn(hold, pool, 0.3)
        gevent.sleep(0.1)
        assert pool.stats().connect_errors == 1
        assert hold(pool, 0, timeout=5).number == 1
        holder.join()


def test_after_a_refusal_a_caller_still_waits_for_a_connect_under_way(virtual_clock):
    with Pool(2, connects=[Refused(), 0.5], fatal_exc_classes=(Refused,)) as pool:
        gevent.sleep(0.1)
        assert pool.stats().connect_errors == 1
        assert hold(pool, 0).number == 1
        assert virtual_clock.now == 0.5


def test_a_refusal_is_forgotten_when_the_next_connect_fails_otherwise(virtual_clock, steady_jitter):
    connects = [Refused(), *[OSError("down")] * 99]
    with Pool(1, connects=connects, fatal_exc_classes=(Refused,)) as pool:
        gevent.sleep(3)
        with pytest.raises(PoolTimeout):
            hold(pool, 0, timeout=0)


def test_a_refusal_is_asked_again_when_it_is_time_though_nothing_is_kept_open(virtual_clock):
    with Pool(1, min_size=0, connects=[Refused()], fatal_exc_classes=(Refused,)) as pool:
        with pytest.raises(PoolConnectError):
            hold(pool, 0)
        gevent.sleep(60)
        assert hold(pool, 0).number == 1


def test_the_start_up_pace_ends_with_the_start_up(virtual_clock):
    class Paced(Pool):
        SPAWN_FREQUENCY = 1000.0

    with Paced(2) as pool:
        pool.wait_until_ready()
        for connection in list(pool.made):
            pool.discard(connection)
        gevent.sleep(1)
        assert pool.stats().open == 2


def test_a_connect_begins_at_once_though_the_one_it_replaces_is_still_closing(virtual_clock):
    with Pool(2, min_size=1) as pool:
        pool.wait_until_ready()
        pool.closing_takes = 4.0
        with pool.get() as used:
            pool.discard(used)
        gevent.sleep(1)
        assert pool.stats().open == 1


def test_a_connection_whose_socket_cannot_be_asked_for_is_closed(virtual_clock):
    class Odd(Pool):
        def _socket(self, c):
            if c.number == 1:
                raise LookupError("odd")

    with Odd(1) as pool:
        assert_whole(pool)
        assert [connection.closed for connection in pool.made] == [1, 0]


def test_an_object_that_is_still_being_closed_is_not_lent_again(virtual_clock):
    class Reusing(Pool):
        def _new_connection(self) -> object:
            if self.made:
                return self.made[0]
            return super()._new_connection()

    with Reusing(2, min_size=1) as pool:
        pool.wait_until_ready()
        pool.closing_takes = 3.0
        with pool.get() as used:
            pool.discard(used)
        with pytest.raises(PoolConnectError):
            hold(pool, 0, timeout=1)
        gevent.sleep(10)
        assert hold(pool, 0) is used
