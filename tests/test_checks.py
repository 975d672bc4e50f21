"""Promise 5: what idled long proves itself before it is lent, bounded, and the dead are found."""

from __future__ import annotations

import contextlib
from functools import partial

import gevent
import pytest
from pools import Pool, assert_whole, hold

from geventconnpool_gov import PoolClosed, PoolError, PoolTimeout
from geventconnpool_gov.testing.schedules import explore


class Checked(Pool):
    """`answers` says how the next checks go; later ones succeed."""

    def __init__(self, *args, answers=(), **options):
        self.answers, self.checked = list(answers), []
        super().__init__(*args, **options)

    def _check(self, c) -> None:
        self.checked.append(c)
        step = self.answers.pop(0) if self.answers else 0.0
        if not isinstance(step, float):
            raise step
        gevent.sleep(step)


def test_only_a_connection_that_idled_longer_than_check_after_is_checked(virtual_clock):
    with Checked(1, check_after=30) as pool:
        hold(pool, 0)
        gevent.sleep(29)
        hold(pool, 0)
        assert pool.checked == []
        gevent.sleep(31)
        hold(pool, 0)
        assert len(pool.checked) == 1


def test_one_that_fails_its_check_is_replaced_and_its_caller_does_not_notice(virtual_clock):
    with Checked(2, check_after=30, answers=[OSError("gone")]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        assert hold(pool, 0) is pool.checked[1]
        stats = pool.stats()
        assert (stats.checks, stats.check_failures, stats.closed["check_failed"]) == (2, 1, 1)
        assert_whole(pool)


def test_when_one_is_found_dead_the_others_are_checked_however_short_they_idled(virtual_clock):
    with Checked(3, check_after=30, answers=[OSError("restarted")] * 3) as pool:
        pool.wait_until_ready()
        gevent.sleep(20)
        hold(pool, 0), hold(pool, 0)  # two of the three are fresh
        gevent.sleep(15)
        old = set(pool.made)
        assert hold(pool, 0) not in old
        assert pool.stats().closed["check_failed"] == 3


def test_a_check_that_hangs_costs_one_connection_and_check_timeout(virtual_clock):
    with Checked(1, check_after=30, check_timeout=2, answers=[10.0**6]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        began = virtual_clock.now
        hold(pool, 0)
        assert virtual_clock.now - began == pytest.approx(2)
        assert_whole(pool)


@pytest.mark.parametrize("timeout", [0, 1])
def test_a_caller_waits_for_a_check_no_longer_than_it_was_told_to(virtual_clock, timeout):
    with Checked(1, check_after=30, answers=[3.0]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        with pytest.raises(PoolTimeout, match="not proved alive in time"):
            hold(pool, 0, timeout=timeout)
        assert virtual_clock.now == 31 + timeout
        gevent.sleep(4)
        assert hold(pool, 0, timeout=0) is pool.made[0]  # it answered, for whoever comes next
        assert len(pool.checked) == 1
        assert pool.stats().requests_timed_out == 1
        assert_whole(pool)


@pytest.mark.parametrize("size", [1, 5])
def test_a_get_ends_in_time_though_every_check_hangs(virtual_clock, size):
    with Checked(size, check_after=10, check_timeout=5, answers=[10.0**6] * 999) as pool:
        pool.wait_until_ready()
        gevent.sleep(60)
        began = virtual_clock.now
        with pytest.raises(PoolTimeout):
            hold(pool, 0, timeout=1)
        assert virtual_clock.now - began == 1
        hold(pool, 0)  # what was opened since is not in doubt
        assert virtual_clock.now - began <= 5 * size
        pool.answers.clear()


@pytest.mark.parametrize("ends", ["kill", "timeout"])
def test_an_interrupted_caller_does_not_interrupt_the_check(virtual_clock, ends):
    with Checked(1, check_after=30, answers=[3.0]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        if ends == "timeout":
            with pytest.raises(gevent.Timeout), gevent.Timeout(1):
                hold(pool, 0)
        else:
            client = gevent.spawn(hold, pool, 0)
            gevent.sleep(1)
            client.kill()
        waiter = gevent.spawn(hold, pool, 0)
        assert waiter.get() is pool.made[0]
        assert pool.stats().requests_cancelled == 1
        assert_whole(pool)


def test_a_caller_whose_check_fails_is_not_overtaken_by_those_who_came_since(virtual_clock):
    served = []
    with Checked(1, check_after=30, answers=[3.0], connects=[0, 1]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        pool.answers = [OSError("gone")]

        def client(number):
            hold(pool, 1)
            served.append(number)

        clients = [gevent.spawn(client, number) for number in range(3)]
        gevent.joinall(clients, raise_error=True)
        assert served == [0, 1, 2]


def test_closing_ends_a_check_and_its_caller_is_told(virtual_clock):
    pool = Checked(1, check_after=30, check_timeout=100, answers=[1000.0])
    pool.wait_until_ready()
    gevent.sleep(31)
    caller = gevent.spawn(hold, pool, 0)
    gevent.sleep(1)
    pool.close()
    assert pool.made[0].closed
    caller.join()
    assert isinstance(caller.exception, PoolClosed)
    assert virtual_clock.now == 32


def test_a_check_that_never_gives_up_costs_one_connection_and_twice_the_limit(virtual_clock):
    class Deaf(Checked):
        deaf = True

        def _check(self, c) -> None:
            while self.deaf:
                with contextlib.suppress(BaseException):
                    gevent.sleep(1)

    with Deaf(1, check_after=30, check_timeout=2) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        assert hold(pool, 0) is pool.made[1]
        assert virtual_clock.now == pytest.approx(31 + 4)
        stats = pool.stats()
        assert (stats.check_failures, stats.closed["check_failed"]) == (1, 1)
        pool.deaf = False
        assert_whole(pool)


def test_callers_behind_a_hanging_check_are_served_by_the_others(virtual_clock):
    with Checked(2, check_after=30, answers=[4.0]) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        checking = gevent.spawn(hold, pool, 0)
        gevent.sleep(0)
        began = virtual_clock.now
        hold(pool, 0)
        assert virtual_clock.now == began
        checking.join()


def test_the_check_is_the_keepalive_where_there_is_no_other(virtual_clock):
    class Kept(Pool):
        probed = 0

        def _keepalive(self, c) -> None:
            self.probed += 1

    with Kept(1, check_after=10) as pool:
        hold(pool, 0)
        gevent.sleep(11)
        hold(pool, 0)
        assert pool.probed == 1


def test_a_probe_by_the_keepalive_spares_the_check(virtual_clock):
    class Kept(Checked):
        def _keepalive(self, c) -> None:
            pass

    with Kept(1, check_after=30, keepalive=20) as pool:
        pool.wait_until_ready()
        for _ in range(10):
            gevent.sleep(31)
            hold(pool, 0)
        assert pool.checked == []


def test_a_callback_of_the_loop_that_cannot_wait_for_a_check_loses_nothing(virtual_clock):
    errors = []

    def callback():
        try:
            hold(pool, 0)
        except PoolError as error:
            errors.append(error)

    with Checked(1, check_after=30) as pool:
        pool.wait_until_ready()
        gevent.sleep(31)
        gevent.get_hub().loop.run_callback(callback)
        assert_whole(pool)
    assert len(errors) == 1


def test_an_answer_and_a_kill_of_its_caller_at_one_instant_lose_nothing():
    def scenario(schedule):
        with Checked(1, check_after=30, answers=[1.0]) as pool:
            pool.wait_until_ready()
            gevent.sleep(31)
            caller = gevent.spawn(hold, pool, 0)
            gevent.spawn_later(1.0, caller.kill, block=False)
            gevent.sleep(10)
            stats = pool.stats()
            assert (stats.idle, stats.in_use) == (1, 0)

    assert explore(scenario).complete


def test_a_check_and_a_close_at_one_instant_close_the_connection_once():
    def caller(pool):
        with contextlib.suppress(PoolClosed), pool.get() as connection:
            assert not pool.stats().closed["shutdown"], connection

    def scenario(schedule):
        pool = Checked(1, check_after=30, answers=[1.0])
        pool.wait_until_ready()
        gevent.sleep(31)
        gevent.spawn(caller, pool)
        schedule.pick([gevent.spawn, partial(gevent.spawn_later, 1.0)])(pool.close, 0)
        gevent.sleep(10)
        assert [connection.closed for connection in pool.made] == [1]

    assert explore(scenario, rule="legal").complete


def test_what_was_opened_since_a_check_began_is_not_in_doubt_when_it_fails(virtual_clock):
    with Checked(2, min_size=1, check_after=30, check_timeout=5, answers=[10.0**6]) as pool:
        gevent.sleep(31)
        checking = gevent.spawn(hold, pool, 0)
        gevent.sleep(1)
        hold(pool, 0)  # on a second connection
        checking.join()
        assert pool.checked == [pool.made[0]]


@pytest.mark.parametrize(
    ("meanwhile", "becomes"),
    [
        (lambda pool: pool.discard(pool.made[0]), "c2"),
        (lambda pool: pool.drain(), "c2"),
        (lambda pool: pool.close(), "PoolClosed"),
        (lambda pool: pool.close(timeout=0), "PoolClosed"),
    ],
    ids=["discard", "drain", "close", "close(timeout=0)"],
)
def test_what_is_taken_out_of_service_during_its_check_is_not_lent(
    virtual_clock, meanwhile, becomes
):
    def borrow() -> str:
        try:
            return repr(hold(pool, 0))
        except PoolClosed as error:
            return type(error).__name__

    with Checked(1, check_after=30, answers=[4.0]) as pool:
        gevent.sleep(31)
        caller = gevent.spawn(borrow)
        gevent.sleep(1)
        gevent.spawn(meanwhile, pool)
        assert caller.get() == becomes
    assert [connection.closed for connection in pool.made] == [1] * len(pool.made)
