"""The whole pool under virtual time, against a record kept from outside: any program of mishaps."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import Any
from unittest import mock

import gevent
import pytest
from gevent.event import Event
from guards import StandIn
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model import EVENTS
from world import Call, World

from geventconnpool_gov import core
from geventconnpool_gov.testing import virtual_time
from geventconnpool_gov.testing.schedules import Schedule

place = st.integers(0, 9)  # of one in a list, counted round
seconds = st.sampled_from([0.0, 0.5, 1.0, 2.0, 10.0])
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "guarded": st.booleans(),
    "min_size": st.sampled_from([None, 0]),
    "burst_limit": st.sampled_from([None, 3]),
    "idle_timeout": st.sampled_from([None, 3.0]),
    "check_after": st.sampled_from([None, 2.0]),
    "keepalive": st.sampled_from([None, 7.0]),
    "max_waiting": st.sampled_from([None, 2]),
    "lifo": st.sampled_from([None, True]),
}


class Told(World):
    """Its clients use a connection until they are told how to end."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, starts=(), **options)
        self.told: dict[Call, Event] = {}
        self.patience: float | None = None  # how long they wait to be told

    def use(self, call: Call, seconds: float) -> None:
        self.told[call] = Event()
        self.told[call].wait(timeout=self.patience)

    def come_to_an_end(self) -> None:
        self.patience = 1.0
        for event in self.told.values():
            event.set()
        self.settle()
        if not self.pool._core.ledger.shut and self.pool._core.options.max_waiting is None:
            self.reach_its_size()
        self.end()

    def reach_its_size(self) -> None:
        """As many as there are places borrow at once, and each gets a connection."""
        self.patience = 20.0
        for _ in range(self.pool.size):
            self.call()
        gevent.sleep(10)
        assert len(self.of("holding")) == self.pool.size, self.pool
        gevent.sleep(20)

    def call(self, **get: Any) -> None:
        self.clients.append(gevent.spawn(self.borrow_once, **get))


class Mishaps(RuleBasedStateMachine):
    """Callers and mishaps in any order; the record is compared before each step of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()

    @initialize(size=st.integers(1, 2), options=st.fixed_dictionaries(OPTIONS))
    def begin(self, size: int, options: dict[str, Any]) -> None:
        schedule = Schedule("legal", lambda step, alternatives: 0)
        self.stack.enter_context(mock.patch.object(core, "Guard", StandIn))
        self.stack.enter_context(mock.patch.object(random, "uniform", lambda low, high: high))
        self.stack.enter_context(virtual_time(leftovers="kill", order=schedule.order))
        self.here = Told(size, **options)
        schedule.always(self.here.check)

    def one(self, state: str, number: int) -> Call:
        among = self.here.of(state)
        return among[number % len(among)]

    @rule(timeout=st.sampled_from([None, 0.0, 1.5]))
    def borrow(self, timeout: float | None) -> None:
        self.here.call(timeout=timeout)

    @rule(seconds=seconds)
    def wait(self, seconds: float) -> None:
        gevent.sleep(seconds)

    @precondition(lambda self: self.here.of("holding"))
    @rule(number=place)
    def give_back(self, number: int) -> None:
        self.here.told[self.one("holding", number)].set()

    @precondition(lambda self: self.here.of("holding"))
    @rule(number=place)
    def break_in_use(self, number: int) -> None:
        self.here.broken_in_use = True
        self.give_back(number)

    @precondition(lambda self: self.here.clients)
    @rule(number=place, how=st.sampled_from(["kill", "timeout"]))
    def interrupt(self, number: int, how: str) -> None:
        self.here.interrupt(number % len(self.here.clients), how)

    @rule(event=st.sampled_from(["fail_a_connect", "close_by_the_peer", "discard", "expire"]))
    def go_wrong(self, event: str) -> None:
        if self.here.pool.guarded or event != "close_by_the_peer":  # nobody could know
            EVENTS[event](self.here)

    @rule(event=st.sampled_from(["grow", "shrink", "drain"]))
    def change(self, event: str) -> None:
        if self.here.pool.size < 4 or event != "grow":
            EVENTS[event](self.here)

    @rule()
    def close(self) -> None:
        gevent.spawn(self.here.pool.close)

    @invariant()
    def the_pool_is_as_it_looks_from_outside(self) -> None:
        self.here.check()

    @invariant()
    def nothing_escaped(self) -> None:
        assert all(client.successful() for client in self.here.clients if client.dead)

    def teardown(self) -> None:
        with self.stack:
            if hasattr(self, "here"):
                self.here.come_to_an_end()


class TestPool(Mishaps.TestCase):
    settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


@pytest.mark.prove
class TestPoolAtLength(Mishaps.TestCase):
    settings = settings(max_examples=20_000, stateful_step_count=50, deadline=None)


# Programs that failed once, as they were found, shortened.
REGRESSIONS: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]]]] = {
    "a keepalive that was asked by the check before it was in nobody's account": (
        {"keepalive": 7.0, "check_after": 2.0},
        [("wait", 10.0)],
    ),
    "a caller killed during its check was in no figure": (
        {"check_after": 2.0},
        [("wait", 10.0), ("borrow", None), ("wait", 0.0), ("interrupt", 0, "kill")],
    ),
    "a connection drained during its check was lent": (
        {"check_after": 2.0},
        [("wait", 10.0), ("borrow", None), ("wait", 0.0), ("change", "drain")],
    ),
    "the backoff of an outage outlasted the end of the program": (
        {},
        [("go_wrong", "fail_a_connect")] * 11,
    ),
    "a second drain ordered a second replacement": (
        {"burst_limit": 3},
        [("wait", 2.0), ("change", "drain"), ("change", "drain")],
    ),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_failed_once_holds(name: str) -> None:
    options, steps = REGRESSIONS[name]
    machine = Mishaps()
    machine.begin(1, {"guarded": False, **options})
    for verb, *arguments in steps:
        getattr(machine, verb)(*arguments)
        machine.the_pool_is_as_it_looks_from_outside()
    machine.teardown()
