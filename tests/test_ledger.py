"""The account itself: every legal step keeps it whole, and an illegal one changes nothing."""

from __future__ import annotations

import pytest

from geventconnpool_gov.entries import DEAD, HANDED, WAITING, Entry, Waiter
from geventconnpool_gov.ledger import Ledger


def filled(size: int, idle: int) -> Ledger:
    ledger = Ledger(size, size)
    for serial in range(idle):
        ledger.begin_opening()
        entry = Entry(object(), serial)
        ledger.opened(entry)
        ledger.put_back(entry)
    return ledger


def figures(ledger: Ledger) -> tuple[object, ...]:
    return (list(ledger.open), list(ledger.idle), ledger.opening, ledger.closing, ledger.waiting)


def test_a_returned_connection_goes_to_the_longest_waiter() -> None:
    ledger = filled(1, 1)
    entry = ledger.take()
    assert entry is not None
    first, second = Waiter("first"), Waiter("second")
    ledger.join(first)
    ledger.join(second)
    assert ledger.put_back(entry) is first
    assert (first.state, first.entry, second.state) == (HANDED, entry, WAITING)


def test_one_whose_turn_it_was_goes_back_to_the_head_of_the_queue() -> None:
    ledger = filled(1, 1)
    entry = ledger.take()
    assert entry is not None
    late, early = Waiter("late"), Waiter("early")
    ledger.join(late)
    ledger.join(early, first=True)
    assert ledger.put_back(entry) is early


def test_dead_waiters_are_passed_over_and_swept_out_in_bulk() -> None:
    ledger = filled(1, 1)
    entry, queue = ledger.take(), ledger.waiters
    assert entry is not None
    waiters = [Waiter(n) for n in range(1000)]
    for waiter in waiters:
        ledger.join(waiter)
    for waiter in waiters[:-1]:
        ledger.leave(waiter)
    assert len(ledger.waiters) < 100
    assert ledger.waiters is queue  # leases hold it
    assert ledger.put_back(entry) is waiters[-1]


@pytest.mark.large
def test_killed_waiters_cost_no_quadratic_time() -> None:
    looks = 0

    class Watched(Waiter):
        @property
        def state(self) -> str:  # type: ignore[override]
            nonlocal looks
            looks += 1
            return self._state

        @state.setter
        def state(self, state: str) -> None:
            self._state = state

    ledger = filled(1, 1)
    ledger.take()
    waiters = [Watched(n) for n in range(5000)]
    for waiter in waiters:
        ledger.join(waiter)
    for waiter in reversed(waiters):  # where a search from the front is at its worst
        ledger.leave(waiter)
    assert ledger.waiting == 0
    assert looks < 5 * len(waiters)


def illegal(ledger: Ledger, entry: Entry, waiter: Waiter) -> dict[str, object]:
    stranger = Entry(object())
    return {
        "leaving twice": lambda: ledger.leave(waiter),
        "opening without room": ledger.begin_opening,
        "failing an opening that nobody began": ledger.opening_failed,
        "opening what is open": lambda: ledger.opened(entry),
        "returning a stranger": lambda: ledger.put_back(stranger),
        "retiring a stranger": lambda: ledger.retire(stranger),
        "ending a close that nobody began": ledger.closed_one,
    }


@pytest.mark.parametrize("step", illegal(Ledger(), Entry(None), Waiter(None)))
def test_an_illegal_step_raises_and_nothing_happened(step: str) -> None:
    ledger = filled(2, 2)
    waiter = Waiter(None)
    waiter.state = DEAD
    before = figures(ledger)
    with pytest.raises(AssertionError):
        illegal(ledger, ledger.idle[0], waiter)[step]()  # type: ignore[operator]
    assert figures(ledger) == before


def test_nothing_goes_back_to_a_ledger_that_is_shut_and_nobody_waits_there() -> None:
    ledger = filled(1, 1)
    entry = ledger.take()
    assert entry is not None
    ledger.shut_down()
    before = figures(ledger)
    with pytest.raises(AssertionError):
        ledger.put_back(entry)
    with pytest.raises(AssertionError):
        ledger.join(Waiter(None))
    assert figures(ledger) == before


def test_nothing_is_wanted_beyond_the_room_there_is() -> None:
    ledger = filled(3, 1)
    ledger.begin_opening()
    assert (ledger.room, ledger.wanted) == (1, 1)
    ledger.begin_opening()
    assert (ledger.room, ledger.wanted) == (0, 0)


def test_check_finds_a_unit_that_is_in_two_places() -> None:
    ledger = filled(1, 1)
    ledger.idle.append(ledger.idle[0])
    with pytest.raises(AssertionError, match="idle twice"):
        ledger.check()
