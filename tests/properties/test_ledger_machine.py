"""The account against a model of it: a few lists, and what each step does to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from geventconnpool_gov.entries import HANDED, Entry, Waiter
from geventconnpool_gov.ledger import Ledger

place = st.integers(0, 9)  # of one in a list, counted round


def pick(among: list[Any], number: int) -> Any:
    return among[number % len(among)]


class LedgerAgainstModel(RuleBasedStateMachine):
    """Every step that is legal, at any time; what is handed to a waiter is leased."""

    @initialize(size=st.integers(1, 3), burst=st.integers(0, 2), lifo=st.booleans())
    def begin(self, size: int, burst: int, lifo: bool) -> None:
        self.ledger = Ledger()
        self.ledger.set_limits(size, size, size + burst)
        self.ledger.lifo = lifo
        self.idle: list[Entry] = []  # the next to be lent first
        self.leased: list[Entry] = []
        self.queue: list[Waiter] = []
        self.opening = self.closing = self.serial = 0
        self.shut = False

    def units(self) -> int:
        return len(self.idle) + len(self.leased) + self.opening + self.closing

    def receive(self, entry: Entry) -> None:
        """A connection is free: the longest waiter's, or idle."""
        served = self.ledger.put_back(entry)
        assert served is (self.queue[0] if self.queue else None)
        if self.queue:
            waiter = self.queue.pop(0)
            assert (waiter.state, waiter.entry) == (HANDED, entry)
        else:
            self.leased.remove(entry)
            self.idle.insert(0 if self.ledger.lifo else len(self.idle), entry)

    @precondition(lambda self: self.ledger.room > 0)
    @rule()
    def connect(self) -> None:
        self.ledger.begin_opening()
        self.opening += 1

    @precondition(lambda self: self.opening)
    @rule()
    def fail_to_connect(self) -> None:
        self.ledger.opening_failed()
        self.opening -= 1

    @precondition(lambda self: self.opening and not self.shut)
    @rule()
    def open(self) -> None:
        self.serial += 1
        entry = Entry(object(), self.serial)
        self.ledger.opened(entry)
        self.opening -= 1
        self.leased.append(entry)
        self.receive(entry)

    @rule()
    def take(self) -> None:
        expected = self.idle.pop(0) if self.idle else None
        assert self.ledger.take() is expected
        if expected is not None:
            self.leased.append(expected)

    @precondition(lambda self: not self.idle and not self.shut)
    @rule(first=st.booleans())
    def wait(self, first: bool) -> None:
        waiter = Waiter(None)
        self.ledger.join(waiter, first=first)
        self.queue.insert(0 if first else len(self.queue), waiter)

    @precondition(lambda self: self.queue)
    @rule(number=place)
    def give_up(self, number: int) -> None:
        waiter = pick(self.queue, number)
        self.ledger.leave(waiter)
        self.queue.remove(waiter)

    @precondition(lambda self: self.leased and not self.shut)
    @rule(number=place)
    def give_back(self, number: int) -> None:
        self.receive(pick(self.leased, number))

    @precondition(lambda self: self.idle)
    @rule(number=place)
    def probe(self, number: int) -> None:
        entry = pick(self.idle, number)
        self.ledger.seize(entry)
        self.idle.remove(entry)
        self.leased.append(entry)

    @precondition(lambda self: self.idle or self.leased)
    @rule(number=place)
    def retire(self, number: int) -> None:
        entry = pick(self.idle + self.leased, number)
        assert self.ledger.retire(entry) == (entry in self.leased)
        (self.leased if entry in self.leased else self.idle).remove(entry)
        self.closing += 1

    @precondition(lambda self: self.idle or self.leased)
    @rule(number=place)
    def renounce(self, number: int) -> None:
        entry = pick(self.idle + self.leased, number)
        assert self.ledger.renounce(entry) == (entry in self.leased)
        (self.leased if entry in self.leased else self.idle).remove(entry)

    @precondition(lambda self: self.closing)
    @rule()
    def finish_a_close(self) -> None:
        self.ledger.closed_one()
        self.closing -= 1

    @rule(size=st.integers(1, 3), burst=st.integers(0, 2))
    def resize(self, size: int, burst: int) -> None:
        self.ledger.set_limits(size, size, size + burst)

    @precondition(lambda self: not self.shut)
    @rule()
    def shut_down(self) -> None:
        waiting, idle = self.ledger.shut_down()
        assert (waiting, idle) == (self.queue, self.idle)
        self.closing += len(idle)
        self.queue, self.idle, self.shut = [], [], True

    @invariant()
    def the_account_is_whole(self) -> None:
        self.ledger.check()

    @invariant()
    def the_account_is_the_models(self) -> None:
        ledger = self.ledger
        assert list(ledger.idle) == self.idle
        assert sorted(map(id, ledger.leased())) == sorted(map(id, self.leased))
        assert (ledger.opening, ledger.closing) == (self.opening, self.closing)
        assert (ledger.waiting, ledger.in_use) == (len(self.queue), len(self.leased))
        assert ledger.room == ledger.limit - self.units()

    @invariant()
    def no_more_is_wanted_than_there_is_room_for(self) -> None:
        assert 0 <= self.ledger.wanted <= max(0, self.ledger.room)


class TestLedger(LedgerAgainstModel.TestCase):
    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.prove
class TestLedgerAtLength(LedgerAgainstModel.TestCase):
    settings = settings(max_examples=5000, stateful_step_count=80, deadline=None)
