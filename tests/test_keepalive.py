"""Promise 5: the keepalive, one connection at a time, in nobody's way, outliving its own errors."""

from __future__ import annotations

import gevent
import pytest
from pools import Pool, assert_adds_up, assert_whole, hold


class Kept(Pool):
    """Counts probes; `answers` says how the next ones go, as `connects` does for connects."""

    def __init__(self, *args, answers=(), **options):
        self.answers = list(answers)
        self.probes = []
        self.at_once = self.most = 0
        super().__init__(*args, **options)

    def _keepalive(self, c) -> None:
        self.probes.append((gevent.get_hub().loop.now(), c))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            step = self.answers.pop(0) if self.answers else 0.0
            if not isinstance(step, float):
                raise step
            gevent.sleep(step)
        finally:
            self.at_once -= 1


def test_each_idle_connection_is_probed_every_keepalive_seconds(virtual_clock):
    with Kept(3, keepalive=30) as pool:
        gevent.sleep(301)
        for connection in pool.made:
            times = [when for when, probed in pool.probes if probed is connection]
            assert times == [30.0 * n for n in range(1, 11)]


def test_a_connection_in_use_needs_no_probe(virtual_clock):
    with Kept(1, keepalive=30) as pool:
        for _ in range(40):
            hold(pool, 0)
            gevent.sleep(10)
        assert pool.probes == []


def test_a_connection_is_probed_when_it_has_idled_that_long_whenever_that_began(virtual_clock):
    with Kept(1, keepalive=30) as pool:
        gevent.sleep(25)
        hold(pool, 0)
        gevent.sleep(31)
        assert [when for when, _ in pool.probes] == [55.0]


def test_connections_are_probed_one_at_a_time(virtual_clock):
    with Kept(5, keepalive=30, answers=[1.0] * 50) as pool:
        gevent.sleep(300)
        assert pool.most == 1


@pytest.mark.parametrize(
    "error", [OSError("gone"), ValueError("odd"), NotImplementedError(), gevent.Timeout(1)]
)
def test_whatever_a_probe_raises_the_connection_is_replaced_and_the_keepalive_goes_on(
    virtual_clock, error
):
    with Kept(2, keepalive=30, answers=[error]) as pool:
        gevent.sleep(100)
        stats = pool.stats()
        assert (stats.closed["check_failed"], stats.keepalive_failures) == (1, 1)
        assert pool.probes[-1][0] > 60
        assert_whole(pool)


def test_a_killed_probe_closes_its_connection_and_the_keepalive_goes_on(virtual_clock):
    with Kept(1, keepalive=30, answers=[1000.0]) as pool:
        gevent.sleep(31)
        pool._core.upkeep.worker.kill()
        gevent.sleep(100)
        assert pool.stats().closed["interrupted"] == 1
        assert len(pool.probes) > 2
        assert_whole(pool)


def test_a_probe_that_hangs_costs_one_connection_and_check_timeout(virtual_clock):
    with Kept(1, keepalive=30, answers=[10.0**6], check_timeout=2) as pool:
        gevent.sleep(30.5)
        began = virtual_clock.now
        hold(pool, 0)
        assert virtual_clock.now - began == pytest.approx(1.5)
        assert_whole(pool)


def test_callers_are_served_by_the_others_while_one_is_probed(virtual_clock):
    with Kept(2, keepalive=30, answers=[4.0, 4.0]) as pool:
        gevent.sleep(31)
        began = virtual_clock.now
        hold(pool, 0)
        assert virtual_clock.now == began


def test_a_keepalive_of_zero_or_none_probes_nothing(virtual_clock):
    for keepalive in (0, None):
        with Kept(1, keepalive=keepalive) as pool:
            gevent.sleep(1000)
            assert pool.probes == []


def test_a_keepalive_without_a_probe_to_send_is_said_once(virtual_clock, caplog):
    with Pool(1, keepalive=30) as pool:
        gevent.sleep(1000)
        assert "the class has no _keepalive" in caplog.text
        assert_whole(pool)


def test_an_idle_pool_starts_timers_by_keepalive_and_not_by_time(virtual_clock):
    with Kept(2, keepalive=1000, check_timeout=3) as pool:
        gevent.sleep(1)
        before = virtual_clock.timers_started
        gevent.sleep(100_000)
        probes = pool.stats().keepalives
        # For each probe two bounds, and for each round one timer; one is this test's own.
        assert virtual_clock.timers_started - before <= 3 * probes + 110


def test_a_connection_given_up_during_a_probe_that_fails_is_closed_once(virtual_clock):
    class Failing(Kept):
        def _keepalive(self, c) -> None:
            gevent.sleep(2)
            raise OSError("gone")

    with Failing(1, keepalive=30) as pool:
        gevent.sleep(31)
        pool.lock = None  # starts over: what is lent no longer counts
        gevent.sleep(10)
        assert pool.made[0].closed == 1
        assert_adds_up(pool)


@pytest.mark.parametrize("give_up", [lambda p: p.discard(p.made[0]), lambda p: p.close(0)])
def test_a_connection_given_up_during_a_probe_that_it_answers_is_closed_once(
    virtual_clock, give_up
):
    class Slow(Kept):
        def _keepalive(self, c) -> None:
            gevent.sleep(2)

    with Slow(1, keepalive=30) as pool:
        gevent.sleep(31)
        assert pool.stats().in_use == 1
        gevent.spawn(give_up, pool)
        gevent.sleep(10)
        assert pool.made[0].closed == 1
        assert_adds_up(pool)


def test_a_periodic_keepalive_begun_by_hand_leaves_the_pools_own_when_it_is_killed(virtual_clock):
    with Kept(1, keepalive=10) as pool:
        by_hand = gevent.spawn(pool._keepalive_periodic)
        gevent.sleep(15)
        by_hand.kill()
        gevent.sleep(100)
        assert len(pool.probes) >= 10


def test_a_periodic_keepalive_begun_by_hand_ends_when_the_pool_is_closed(virtual_clock):
    pool = Kept(1, keepalive=10)
    by_hand = gevent.spawn(pool._keepalive_periodic)
    gevent.sleep(1)
    pool.close()
    gevent.sleep(11)
    assert by_hand.successful()


@pytest.mark.parametrize("keepalive", [0, None])
def test_a_periodic_keepalive_begun_by_hand_with_nothing_to_do_says_so(virtual_clock, keepalive):
    with Kept(1, keepalive=keepalive) as pool, pytest.raises(ValueError, match="nothing to do"):
        pool._keepalive_periodic()
