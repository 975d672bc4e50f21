"""What is one order of events, while it happens?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Literal, NoReturn, TypeVar

import gevent

from .virtual_time import VirtualClock

__all__ = ["Chooser", "Rule", "ScenarioError", "Schedule"]

T = TypeVar("T")
Rule = Literal["legal", "every"]
#: Given the step and the number of alternatives, the index of the one to take.
Chooser = Callable[[int, int], int]

MAX_STEPS = 10_000


class ScenarioError(Exception):
    """The scenario cannot be explored: it never ends, or differs from one run to the next."""


class Schedule:
    """One order of events, while it happens."""

    def __init__(self, rule: Rule, chooser: Chooser, departures: float = inf) -> None:
        self.clock: VirtualClock  # of the run; set before the scenario is called
        self.choices: list[int] = []
        self.alternatives: list[int] = []  # beside each choice, how many there were
        self.broken: ScenarioError | None = None
        self._violation: BaseException | None = None  # what an invariant raised
        self._invariants: list[Callable[[], object]] = []
        self._rule = rule
        self._chooser = chooser
        self._departures = departures  # how often something else may still run than what is first
        self._steps = 0

    def pick(self, options: Sequence[T]) -> T:
        """One of the options: a latency, the victim of a kill. `explore` tries them all."""
        return options[self._choose(len(options))]

    def always(self, invariant: Callable[[], object]) -> None:
        """Call this before each step from now on; the schedule fails where it raises.

        It must not switch greenlets.
        """
        self._invariants.append(invariant)

    def order(self, due: int, ready: int) -> int:
        """Say what runs next, for `virtual_time`: an index into the due timers, then the ready."""
        try:
            self._steps += 1
            if self._steps == MAX_STEPS:
                self._break(f"{MAX_STEPS} steps and no end, after {self.short()}")
            self._look()
            alternatives = due + (ready if self._rule == "every" else min(ready, 1))
            index = self._choose(alternatives, bound=not self._departures)
            self._departures -= index > 0
            return index
        except Exception as error:  # in the hub, which would but print it
            hub: Any = gevent.get_hub()
            hub.parent.throw(error)
            return 0

    def _look(self) -> None:
        """Call each invariant; one that fails ends the run, and none is called after it."""
        try:
            for invariant in self._invariants:
                invariant()
        except Exception as error:
            self._invariants.clear()
            self._violation = error
            raise

    def forget(self) -> BaseException | None:
        """Let go of the scenario's objects, at the end; what an invariant raised."""
        violation, self._violation = self._violation, None
        self._invariants.clear()
        return violation

    def short(self) -> list[int]:
        """The choices without the zeros at the end, which `replay` supplies."""
        length = len(self.choices)
        while length and not self.choices[length - 1]:
            length -= 1
        return self.choices[:length]

    def _choose(self, alternatives: int, *, bound: bool = False) -> int:
        if alternatives == 1:
            return 0
        if bound:
            alternatives = 1  # noted all the same, so that the list can be run without the bound
        choice = self._chooser(len(self.choices), alternatives)
        if not 0 <= choice < alternatives:
            self._break(f"choice {len(self.choices)} is {choice}, with {alternatives} alternatives")
        self.choices.append(choice)
        self.alternatives.append(alternatives)
        return choice

    def _break(self, reason: str) -> NoReturn:
        self.broken = ScenarioError(reason)
        raise self.broken
