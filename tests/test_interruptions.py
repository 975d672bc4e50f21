"""Promises 1 and 4 in every schedule: a kill or a Timeout arrives anywhere, and nothing is lost."""

from __future__ import annotations

import contextlib

import gevent
import pytest
from pools import Pool, assert_adds_up, hold

from geventconnpool_gov import PoolError
from geventconnpool_gov.testing.schedules import explore, random_schedules

pytestmark = pytest.mark.usefixtures("steady_jitter")


def settle_down(pool: Pool) -> None:
    gevent.sleep(200)
    stats = pool.stats()
    assert (stats.idle, stats.opening, stats.waiting) == (pool.size, 0, 0), pool
    assert len(pool.still_open) == pool.size
    assert_adds_up(pool)


def ready(**options: object) -> Pool:
    pool = Pool(1, **options)
    pool.wait_until_ready()
    return pool


def interrupt(greenlet: gevent.Greenlet, how: str) -> None:
    if how == "kill":
        greenlet.kill(block=False)
    else:
        gevent.get_hub().loop.run_callback(greenlet.throw, gevent.Timeout(1))


@pytest.mark.parametrize("how", ["kill", "timeout"])
def test_a_waiter_interrupted_around_the_hand_off_loses_no_connection(how):
    def scenario(schedule):
        with ready() as pool:
            lease = pool.get()
            lease.__enter__()
            waiter = gevent.spawn(calm, pool, 0)
            gevent.sleep(1)
            gevent.spawn(interrupt, waiter, how)
            gevent.spawn(lease.__exit__, None, None, None)
            settle_down(pool)

    assert explore(scenario).complete


def test_the_next_waiter_is_served_when_the_first_is_interrupted_at_the_hand_off():
    def scenario(schedule):
        with ready() as pool:
            lease = pool.get()
            lease.__enter__()
            first, second = gevent.spawn(calm, pool, 0), gevent.spawn(hold, pool, 0)
            gevent.sleep(1)
            for event in schedule.pick([(0, 1), (1, 0)]):
                if event:
                    interrupt(first, schedule.pick(["kill", "timeout"]))
                else:
                    lease.__exit__(None, None, None)
            second.join()
            assert second.successful()
            settle_down(pool)

    assert explore(scenario, rule="legal").complete


def test_a_waiter_whose_own_time_runs_out_at_the_hand_off_loses_no_connection():
    def scenario(schedule):
        with ready() as pool:
            lease = pool.get()
            lease.__enter__()
            waiters = [gevent.spawn(calm, pool, 0, timeout=t) for t in (1.0, 2.0)]
            gevent.spawn_later(schedule.pick([1.0, 2.0]), lease.__exit__, None, None, None)
            gevent.joinall(waiters)
            settle_down(pool)

    assert explore(scenario, rule="legal").complete


def test_a_kill_at_any_point_of_a_borrow_loses_no_connection():
    def scenario(schedule):
        with ready(connects=[0, 1.0, 1.0]) as pool:
            victims = [gevent.spawn(hold, pool, 1.0) for _ in range(2)]
            victim = schedule.pick(victims)
            gevent.spawn_later(schedule.pick([0.0, 0.5, 1.0, 1.5, 2.0]), victim.kill, block=False)
            gevent.joinall(victims)
            settle_down(pool)

    assert explore(scenario, rule="legal").complete


def test_a_discard_and_a_kill_and_a_new_caller_in_any_order_lose_no_connection():
    def scenario(schedule):
        with ready() as pool:

            def discarding():
                with pool.get() as connection:
                    gevent.sleep(0)
                    pool.discard(connection)

            one = gevent.spawn(discarding)
            two = gevent.spawn(hold, pool, 0)
            gevent.spawn(two.kill, block=False)
            three = gevent.spawn(hold, pool, 0)
            gevent.joinall([one, two, three])
            assert three.successful()
            settle_down(pool)

    assert explore(scenario, limit=3000).runs > 100


def test_a_connect_that_fails_while_a_waiter_is_killed_loses_no_capacity():
    def scenario(schedule):
        with Pool(1, connects=[OSError("refused"), 1.0]) as pool:
            one = gevent.spawn(hold, pool, 0)
            two = gevent.spawn(hold, pool, 0)
            gevent.spawn_later(schedule.pick([0.0, 0.1, 1.1]), one.kill, block=False)
            gevent.joinall([one, two])
            assert two.successful()
            settle_down(pool)

    assert explore(scenario, limit=3000).runs > 10


def test_an_interrupted_caller_does_not_interrupt_the_connect(virtual_clock):
    with Pool(1, connects=[5.0]) as pool:
        with gevent.Timeout(1, False):
            hold(pool, 0)
        assert pool.stats().opening == 1
        assert hold(pool, 0).number == 1
        assert virtual_clock.now == 5


def test_closing_at_any_moment_leaves_nothing_open_and_nobody_waiting():
    def scenario(schedule):
        pool = Pool(1, connects=[0, 1.0])
        clients = [gevent.spawn(calm, pool, 1.0) for _ in range(2)]
        gevent.spawn_later(schedule.pick([0.0, 0.5, 1.0, 1.5, 2.0]), pool.close)
        gevent.joinall(clients)
        gevent.sleep(10)
        assert pool.still_open == []
        assert_adds_up(pool)

    assert explore(scenario, rule="legal").complete


def test_a_wake_that_comes_too_late_disturbs_nothing_that_the_caller_does_next(virtual_clock):
    slept = []

    def client():
        calm(pool, 0)
        began = virtual_clock.now
        gevent.sleep(10)
        slept.append(virtual_clock.now - began)

    with ready() as pool:
        with pool.get():
            waiter = gevent.spawn(client)
            gevent.sleep(1)
            interrupt(waiter, "timeout")  # arrives first; the wake of the hand-off comes after it
        waiter.join()
        assert slept == [10]


def test_a_switch_out_of_turn_does_not_end_a_wait(virtual_clock):
    with ready() as pool:
        with pool.get() as lent:
            waiter = gevent.spawn(hold, pool, 0)
            gevent.sleep(1)
            gevent.get_hub().loop.run_callback(waiter.switch)
            gevent.sleep(1)
        assert waiter.get() is lent


def test_random_storms_lose_nothing():
    def scenario(schedule):
        with Pool(2, timeout=3.0, connects=[0, OSError("no"), 1.0, OSError("no")]) as pool:
            for number in range(6):
                client = gevent.spawn(calm, pool, schedule.pick([0.0, 0.5, 1.0]))
                if number % 2:
                    later = schedule.pick([0.0, 0.5, 1.0, 1.5])
                    gevent.spawn_later(later, interrupt, client, schedule.pick(["kill", "timeout"]))
            settle_down(pool)

    assert random_schedules(scenario, range(200)) == 200


def calm(pool: Pool, seconds: float, **get: object) -> None:
    with contextlib.suppress(gevent.Timeout, PoolError):
        hold(pool, seconds, **get)
