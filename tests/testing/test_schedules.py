"""Schedules: every order is tried, a failing one is found, told and run again."""

from collections import deque
from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventconnpool_gov.testing._shrinking import MAX_TRIES, shrink
from geventconnpool_gov.testing.schedules import (
    Explored,
    ScenarioError,
    Schedule,
    ScheduleError,
    explore,
    random_schedules,
    replay,
)


class NaiveHandOff:
    """One connection, given to the first waiter by scheduling its switch.

    A waiter killed before that takes the connection with it.
    """

    def __init__(self) -> None:
        self.idle = 1
        self.waiters: deque[Any] = deque()

    def acquire(self) -> None:
        if self.idle:
            self.idle -= 1
            return
        waiter = gevent.getcurrent()
        self.waiters.append(waiter)
        try:
            gevent.get_hub().switch()
        except BaseException:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            raise

    def release(self) -> None:
        if self.waiters:
            gevent.get_hub().loop.run_callback(self.waiters.popleft().switch)
        else:
            self.idle += 1


class Slot:
    def __init__(self) -> None:
        self.greenlet: Any = gevent.getcurrent()
        self.state = "waiting"

    def wake(self) -> None:
        if self.greenlet is not None:
            self.greenlet.switch()


class SlotHandOff:
    """The same through a slot that says whose the connection is, whatever becomes of the waiter."""

    def __init__(self) -> None:
        self.idle = 1
        self.slots: deque[Slot] = deque()

    def acquire(self) -> None:
        if self.idle:
            self.idle -= 1
            return
        slot = Slot()
        self.slots.append(slot)
        try:
            while slot.state == "waiting":
                gevent.get_hub().switch()
        except BaseException:
            state, slot.state = slot.state, "dead"
            if state == "handed":
                self.release()
            raise
        finally:
            slot.greenlet = None

    def release(self) -> None:
        while self.slots:
            slot = self.slots.popleft()
            if slot.state == "waiting":
                slot.state = "handed"
                gevent.get_hub().loop.run_callback(slot.wake)
                return
        self.idle += 1


class KilledWaiter:
    """Scenario: two wait, one of them is killed while the connection is given back."""

    def __init__(self, hand_off: type[NaiveHandOff] | type[SlotHandOff]) -> None:
        self.hand_off = hand_off

    def __call__(self, schedule: Schedule) -> None:
        connection = self.hand_off()
        connection.acquire()
        waiters = [gevent.spawn(self.borrow, connection) for _ in range(2)]
        gevent.spawn(connection.release)
        gevent.spawn(waiters[0].kill, block=False)
        gevent.sleep(1)
        assert connection.idle == 1, "the connection is lost"

    def borrow(self, connection: NaiveHandOff | SlotHandOff) -> None:
        connection.acquire()
        connection.release()


def expiring_waiter(hand_off: type[NaiveHandOff] | type[SlotHandOff], schedule: Schedule) -> None:
    """Scenario: a waiter's timeout and the release are due at about the same time."""
    connection = hand_off()
    connection.acquire()

    def borrow() -> None:
        with suppress(gevent.Timeout), gevent.Timeout(1):
            connection.acquire()
            connection.release()

    waiter = gevent.spawn(borrow)
    gevent.spawn_later(schedule.pick([0.9, 1.0, 1.1]), connection.release)
    waiter.join()
    gevent.sleep(1)
    assert connection.idle == 1, "the connection is lost"


def test_every_order_of_three_greenlets_is_tried_once() -> None:
    seen = []

    def scenario(schedule: Schedule) -> None:
        order: list[int] = []
        gevent.joinall([gevent.spawn(order.append, name) for name in range(3)])
        seen.append(tuple(order))

    assert explore(scenario).complete
    assert len(set(seen)) == 6


def test_legal_schedules_run_ready_callbacks_first_come_first_run() -> None:
    def scenario(schedule: Schedule) -> None:
        order: list[int] = []
        gevent.joinall([gevent.spawn(order.append, name) for name in range(3)])
        assert order == [0, 1, 2]

    assert explore(scenario, rule="legal") == Explored(runs=1, complete=True)


def test_legal_schedules_try_both_orders_of_equal_deadlines() -> None:
    seen = []

    def scenario(schedule: Schedule) -> None:
        order: list[str] = []
        gevent.spawn_later(1, order.append, "a")
        gevent.spawn_later(1, order.append, "b")
        gevent.sleep(2)
        seen.append("".join(order))

    assert explore(scenario, rule="legal").complete
    assert set(seen) == {"ab", "ba"}


def test_picks_are_part_of_the_schedule() -> None:
    seen = []

    def scenario(schedule: Schedule) -> None:
        gevent.sleep(schedule.pick([1.0, 2.0]) + schedule.pick([0.0, 0.5]))
        seen.append(schedule.clock.now)

    assert explore(scenario) == Explored(runs=4, complete=True)
    assert seen == [1.0, 1.5, 2.0, 2.5]


def test_the_naive_hand_off_is_found_losing_its_connection() -> None:
    replay(KilledWaiter(NaiveHandOff), [])
    with pytest.raises(ScheduleError, match="the connection is lost") as failure:
        explore(KilledWaiter(NaiveHandOff))
    with pytest.raises(AssertionError, match="the connection is lost"):
        replay(KilledWaiter(NaiveHandOff), failure.value.choices)


def test_the_slot_hand_off_survives_every_schedule() -> None:
    assert explore(KilledWaiter(SlotHandOff)).complete


def test_legal_schedules_suffice_to_lose_it_to_a_timeout() -> None:
    with pytest.raises(ScheduleError, match="rule='legal'"):
        explore(lambda schedule: expiring_waiter(NaiveHandOff, schedule), rule="legal")
    assert explore(lambda schedule: expiring_waiter(SlotHandOff, schedule), rule="legal").complete


def test_random_schedules_find_it_too() -> None:
    with pytest.raises(ScheduleError):
        random_schedules(KilledWaiter(NaiveHandOff), range(100), rule="every")
    assert random_schedules(KilledWaiter(SlotHandOff), range(100), rule="every") > 20


def test_a_seed_stands_for_one_schedule() -> None:
    assert random_schedules(KilledWaiter(SlotHandOff), [7, 7, 7], rule="every") == 1


def test_an_error_that_escapes_from_a_greenlet_fails_the_schedule(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def scenario(schedule: Schedule) -> None:
        gevent.spawn(lambda: 1 // 0)
        gevent.sleep(1)

    with pytest.raises(ScheduleError, match="ZeroDivisionError"):
        explore(scenario)
    assert capsys.readouterr().err == ""


def test_the_error_behind_a_deadlock_is_told_before_the_deadlock() -> None:
    def scenario(schedule: Schedule) -> None:
        event = Event()
        gevent.spawn(lambda: event.set() if 1 // 0 else None)
        event.wait()

    with pytest.raises(ScheduleError, match="ZeroDivisionError"):
        explore(scenario)


@pytest.mark.parametrize("wait", [lambda: Event().wait(), lambda: gevent.sleep(1e6)])
def test_a_schedule_that_hangs_fails(wait: Any) -> None:
    with pytest.raises(ScheduleError):
        explore(lambda schedule: wait())


def test_a_greenlet_left_behind_fails_the_schedule() -> None:
    with pytest.raises(ScheduleError, match="left at the end"):
        explore(lambda schedule: gevent.spawn(gevent.sleep, 60))


def test_a_run_without_end_is_refused() -> None:
    def scenario(schedule: Schedule) -> None:
        while True:
            gevent.sleep(0)

    with pytest.raises(ScenarioError, match="no end"):
        explore(scenario)


def test_a_scenario_that_differs_from_run_to_run_is_refused() -> None:
    sizes = iter([3, 2])

    def scenario(schedule: Schedule) -> None:
        schedule.pick(range(next(sizes)))

    with pytest.raises(ScenarioError, match="not deterministic"):
        explore(scenario)


def test_the_limit_is_kept_and_told() -> None:
    assert explore(KilledWaiter(SlotHandOff), limit=10) == Explored(runs=10, complete=False)


def hidden(schedule: Schedule) -> None:
    """Scenario: fails where the second pick is 2 and the fourth is not 0."""
    picks = [schedule.pick(range(3)) for _ in range(5)]
    assert picks[1] != 2 or not picks[3], "found"


@pytest.mark.parametrize("run", [
    lambda: random_schedules(hidden, [11]),  # this one draws 1, 2, 1, 1, 2
    lambda: random_schedules(hidden, range(100)),
    lambda: explore(hidden, limit=100),
    lambda: explore(hidden),
], ids=["drawn once", "drawn", "limited", "complete"])  # fmt: skip
def test_what_is_told_is_the_shortest_list_that_fails(run: Any) -> None:
    with pytest.raises(ScheduleError) as caught:
        run()
    assert caught.value.choices == [0, 2, 0, 1]
    with pytest.raises(AssertionError, match="found"):
        replay(hidden, caught.value.choices)


def test_shrinking_ends_after_so_many_runs() -> None:
    runs: list[list[int]] = []

    def fails(candidate: list[int]) -> list[int] | None:
        runs.append(candidate)
        return candidate if candidate != [0] and len(candidate) == 1 else None

    (least,) = shrink([5000], fails)
    assert 0 < least < 5000
    assert len(runs) == MAX_TRIES


def test_a_choice_that_there_is_not_is_told_and_not_taken() -> None:
    with pytest.raises(ScenarioError, match="choice 0 is 3, with 3 alternatives"):
        replay(hidden, [3])


def test_shrinking_keeps_to_the_kind_of_error() -> None:
    def scenario(schedule: Schedule) -> None:
        first, second = schedule.pick(range(3)), schedule.pick(range(3))
        if first == 2:
            raise ValueError
        assert second < 2

    with pytest.raises(ScheduleError) as caught:
        random_schedules(scenario, [3])
    with pytest.raises(type(caught.value.__cause__)):
        replay(scenario, caught.value.choices)


def test_an_invariant_is_looked_at_before_each_step() -> None:
    def scenario(schedule: Schedule) -> None:
        busy: list[int] = []

        def nobody_is_alone() -> None:
            assert len(busy) != 1, "one is alone"

        schedule.always(nobody_is_alone)
        for _ in range(2):
            gevent.spawn(busy.append, 1)
        gevent.sleep(1)
        assert len(busy) == 2

    with pytest.raises(ScheduleError, match="one is alone"):
        explore(scenario)


def test_departures_from_first_come_first_run_are_bounded() -> None:
    def scenario(schedule: Schedule) -> None:
        order: list[int] = []
        gevent.joinall([gevent.spawn(order.append, number) for number in range(4)])
        seen.add(tuple(order))

    seen: set[tuple[int, ...]] = set()
    runs = [explore(scenario, departures=bound).runs for bound in range(4)]
    assert runs == sorted(set(runs))
    assert runs[0] == 1
    assert len(seen) == 24
    seen.clear()
    assert explore(scenario, departures=1).complete
    assert (1, 0, 2, 3) in seen
    assert (1, 0, 3, 2) not in seen


def test_what_a_failed_run_leaves_does_not_disturb_the_next() -> None:
    class Loud:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            for _ in range(3):
                gevent.get_hub().loop.run_callback(int)

    def scenario(schedule: Schedule) -> None:
        loud = [Loud() for _ in range(300)]
        gevent.joinall([gevent.spawn(len, loud) for _ in range(3)])
        raise AssertionError("in every schedule")

    with pytest.raises(ScheduleError) as caught:
        explore(scenario)
    assert caught.value.failed == caught.value.runs
