"""Which schedules are explored, and within what bound?

A scenario has one or two connections, two or three clients, each of which borrows twice in a row,
and one or two events. Clients come, and events happen, at any of the instants at which anything
happens, and in any order with what else happens then. A `Bound` says how far that goes; within it
the exploration is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import gevent
from world import World, world

from geventconnpool_gov import clock
from geventconnpool_gov.testing.schedules import Rule, Schedule, explore

__all__ = ["EVENTS", "LONG", "SHORT", "Bound", "Scenario"]

Event = Callable[[World], object]


def kill(here: World) -> None:
    here.interrupt(0, "kill")


def kill_the_next(here: World) -> None:
    here.interrupt(1, "kill")


def time_out(here: World) -> None:
    here.interrupt(1, "timeout")


def break_in_use(here: World) -> None:
    here.broken_in_use = True


def discard(here: World) -> None:
    for entry in list(here.pool._core.ledger.open.values())[:1]:
        here.pool.discard(entry.connection)
        entry.connection.spoiled = "a discard" if not entry.connection.users else ""


def fail_a_connect(here: World) -> None:
    here.pool.failures += 1


def close_by_the_peer(here: World) -> None:
    for resource in here.pool.still_open[:1]:
        resource.peer_closed = True
        if resource.guard is not None:
            resource.guard.stir()


def expire(here: World) -> None:
    for entry in list(here.pool._core.ledger.open.values())[:1]:
        entry.expires_at = clock.monotonic()
        entry.plain = entry.simple = False
        here.pool._core.upkeep.rearm()


def grow(here: World) -> None:
    _still_open(here, lambda: here.pool.resize(here.pool.size + 1))


def shrink(here: World) -> None:
    _still_open(here, lambda: here.pool.resize(1))


def drain(here: World) -> None:
    _still_open(here, here.pool.drain)


def close(here: World) -> None:
    here.pool.close()


def _still_open(here: World, change: Callable[[], object]) -> None:
    if not here.pool._core.ledger.shut:
        change()


EVENTS: dict[str, Event] = {
    event.__name__: event
    for event in (
        *(kill, kill_the_next, time_out, break_in_use, discard, fail_a_connect),
        *(close_by_the_peer, expire, grow, shrink, drain, close),
    )
}


@dataclass(frozen=True)
class Scenario:
    """A pool, its clients, and what befalls them."""

    events: tuple[str, ...]
    size: int
    clients: int
    guarded: bool
    instants: int  # an event happens at one of 0, 1, … seconds

    def __str__(self) -> str:
        guarded = ", guarded" if self.guarded else ""
        return f"{'+'.join(self.events)}: {self.clients} clients on {self.size}{guarded}"

    def __call__(self, schedule: Schedule) -> None:
        late = [0.0, *(schedule.pick((0.0, 1.0, 2.0)) for _ in range(self.clients - 1))]
        with world(schedule, self.size, late, guarded=self.guarded) as here:
            for event in self.events:
                at = float(schedule.pick(range(self.instants)))
                gevent.spawn_later(at, EVENTS[event], here)


@dataclass(frozen=True)
class Bound:
    """How far an exploration goes: all of what is named here, and nothing else."""

    events: int
    clients: int
    size: int
    guarded: tuple[bool, ...] = (False, True)
    rule: Rule = "legal"
    departures: int | None = None  # from first come, first run, in one schedule; None: any

    def __str__(self) -> str:
        departures = "any" if self.departures is None else f"up to {self.departures}"
        guarded = {(True,): ", guarded", (False,): ", unguarded"}.get(self.guarded, "")
        events = f"{self.events} event{'s' * (self.events > 1)}"
        on = f"{self.clients} clients on {self.size}{guarded}"
        return f"{events}, {on}, {departures} departures, {self.rule}"

    def scenarios(self) -> Iterator[Scenario]:
        """Every scenario within the bound."""
        for names in combinations_with_replacement(EVENTS, self.events):
            for guarded in self.guarded:
                if guarded or "close_by_the_peer" not in names:  # nobody could know
                    instants = 3 + -(-self.clients // self.size)
                    yield Scenario(names, self.size, self.clients, guarded, instants)

    def explore(self, scenario: Scenario) -> int:
        """Explore one of them completely: how many schedules that were."""
        explored = explore(scenario, rule=self.rule, departures=self.departures, limit=1_000_000)
        assert explored.complete
        return explored.runs


# In seconds, and in minutes.
SHORT = (
    Bound(events=1, clients=2, size=1, departures=2),
    Bound(events=1, clients=2, size=1, guarded=(True,), rule="every", departures=1),
    Bound(events=1, clients=2, size=2, guarded=(True,), departures=2),
    Bound(events=1, clients=3, size=1, guarded=(True,), departures=1),
    Bound(events=2, clients=2, size=1, guarded=(True,), departures=0),
)
LONG = (
    Bound(events=1, clients=2, size=1, rule="every", departures=3),
    Bound(events=1, clients=2, size=2, departures=4),
    Bound(events=1, clients=3, size=1, departures=4),
    Bound(events=1, clients=3, size=2, departures=2),
    Bound(events=2, clients=2, size=1, departures=1),
    Bound(events=2, clients=2, size=2, departures=1),
    Bound(events=2, clients=3, size=1, departures=0),
)
