"""Does a promise hold in whatever order things happen?

A scenario is a small function. It is run once for each schedule, each time in fresh virtual time,
and fails where it raises, deadlocks, leaves greenlets behind, or lets an error escape from one::

    def a_killed_waiter_loses_no_connection(schedule):
        pool = Pool(1)
        waiter = gevent.spawn(borrow, pool)
        gevent.spawn_later(schedule.pick([1.0, 2.0]), waiter.kill, block=False)
        ...
        assert pool.stats().idle == 1

    assert explore(a_killed_waiter_loses_no_connection).complete

Wherever more than one thing may come next, the schedule chooses, and so do the scenario's own
calls of `Schedule.pick`. The choices, a list of small numbers, are the schedule: `replay` runs it
again, and a failure tells the shortest. What must be true at every moment, not only at the end, is
said with `Schedule.always`. Two rules say what may come next:

``legal``
    What gevent can do. Ready callbacks run first come, first run; timers due at the same instant
    run in any order, before or after what the others made ready. Give events equal or picked times
    to make them meet. Use it where order itself is the promise (who is served first).
``every``
    Any ready callback or due timer. More than gevent does, so that what holds here holds however
    the callers come to run. Use it where nothing may be lost.

A scenario has to be deterministic: no wall clock, no `id` or hash order, no I/O.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf

import gevent

from ._schedule import Chooser, Rule, ScenarioError, Schedule
from ._shrinking import key, shrink
from .virtual_time import virtual_time

__all__ = [
    "Explored",
    "Rule",
    "ScenarioError",
    "Schedule",
    "ScheduleError",
    "explore",
    "random_schedules",
    "replay",
]

Scenario = Callable[[Schedule], object]

DAY = 86400.0


class ScheduleError(AssertionError):
    """A scenario failed in some schedule; its own error is the ``__cause__``."""

    def __init__(
        self, choices: list[int], rule: Rule, failed: int, runs: int, cause: object
    ) -> None:
        super().__init__(
            f"{failed} of {runs} schedules failed. The shortest of them again:\n"
            f"    replay(scenario, {choices}, rule={rule!r})\n{type(cause).__name__}: {cause}"
        )
        self.choices = choices
        self.rule = rule
        self.failed = failed
        self.runs = runs


@dataclass(frozen=True)
class Explored:
    """What `explore` did."""

    runs: int
    #: Every schedule within the bound was run; False: the limit came first.
    complete: bool


def explore(
    scenario: Scenario,
    *,
    rule: Rule = "every",
    limit: int = 20_000,
    departures: int | None = None,
) -> Explored:
    """Run the scenario in every schedule, depth first, up to ``limit`` of them.

    ``departures`` bounds how often in one schedule something else runs than what is first in
    line: most races need one or two, and their number stays small where that of all schedules
    does not. The scenario's own picks are not bounded.

    A failure does not end it: what is raised is the shortest failing list of choices there is, or
    where the limit came first, the shortest that the one found can be shrunk to.

    Raises:
        ScheduleError: the scenario failed in at least one schedule.
        ScenarioError: the scenario is not deterministic, or a run of it never ends.
    """
    failures = _Failures(rule)
    bound = inf if departures is None else departures
    choices: list[int] = []
    alternatives: list[int] = []
    complete = False
    while not complete and failures.runs < limit:
        schedule = failures.run(scenario, _follow(choices), bound)
        if schedule.alternatives[: len(choices)] != alternatives:
            raise ScenarioError(f"not deterministic: other alternatives at the same {choices}")
        choices, alternatives = schedule.choices, schedule.alternatives
        while choices and choices[-1] + 1 == alternatives[-1]:
            choices.pop()
            alternatives.pop()
        complete = not choices
        if choices:
            choices[-1] += 1
    if not complete:
        failures.shrink(scenario)
    failures.report()
    return Explored(failures.runs, complete)


def random_schedules(scenario: Scenario, seeds: Iterable[int], *, rule: Rule = "legal") -> int:
    """Run the scenario once for each seed, its choices drawn at random: how many runs differed.

    What is raised is a failing list of choices, shrunk.

    Raises:
        ScheduleError: the scenario failed in at least one schedule.
        ScenarioError: a run never ends.
    """
    failures = _Failures(rule)
    seen = set()
    for seed in seeds:
        schedule = failures.run(scenario, _draw(seed))
        seen.add(tuple(schedule.choices))
    failures.shrink(scenario)
    failures.report()
    return len(seen)


def replay(scenario: Scenario, choices: Sequence[int], *, rule: Rule = "every") -> None:
    """Run the scenario in one schedule, for a debugger; its own error is raised as it is."""
    _, error = _attempt(scenario, rule, _follow(choices))
    if error is not None:
        raise error


def _follow(choices: Sequence[int]) -> Chooser:
    return lambda step, alternatives: choices[step] if step < len(choices) else 0


def _follow_roughly(choices: Sequence[int]) -> Chooser:
    """The same where a choice may have more than there is to choose from: the last there is."""
    follow = _follow(choices)
    return lambda step, alternatives: min(follow(step, alternatives), alternatives - 1)


def _draw(seed: int) -> Chooser:
    source = random.Random(seed)
    return lambda step, alternatives: source.randrange(alternatives)


class _Failures:
    """Counts the runs, and keeps the failing one that is easiest to read."""

    def __init__(self, rule: Rule) -> None:
        self.runs = 0
        self._rule = rule
        self._failed = 0
        self._shortest: tuple[list[int], BaseException] | None = None

    def run(self, scenario: Scenario, chooser: Chooser, departures: float = inf) -> Schedule:
        schedule, error = _attempt(scenario, self._rule, chooser, departures)
        self.runs += 1
        if error is not None:
            self._failed += 1
            choices = schedule.short()
            shorter = self._shortest is None or key(choices) < key(self._shortest[0])
            if shorter:
                self._shortest = choices, error
            del error
            # What a failed run left must not be finalized in the middle of another.
            gc.collect(2 if shorter else 1)
        return schedule

    def shrink(self, scenario: Scenario) -> None:
        """Make the shortest shorter, as long as it fails with the same kind of error."""
        if self._shortest is None:
            return
        choices, error = self._shortest

        def fails(candidate: list[int]) -> list[int] | None:
            schedule, again = _attempt(scenario, self._rule, _follow_roughly(candidate))
            return schedule.short() if type(again) is type(error) else None

        least = shrink(choices, fails)
        _, least_error = _attempt(scenario, self._rule, _follow(least))
        self._shortest = least, least_error or error

    def report(self) -> None:
        if self._shortest is not None:
            choices, error = self._shortest
            raise ScheduleError(choices, self._rule, self._failed, self.runs, error) from error


def _attempt(
    scenario: Scenario, rule: Rule, chooser: Chooser, departures: float = inf
) -> tuple[Schedule, BaseException | None]:
    """Run the scenario once; return how it failed: what escaped from a greenlet comes first."""
    schedule = Schedule(rule, chooser, departures)
    escaped: list[BaseException] = []
    failure: BaseException | None = None
    collects = gc.isenabled()
    gc.disable()  # when it comes is no part of a schedule, and finalizers of pools schedule closes
    try:
        with virtual_time(order=schedule.order, limit=DAY) as schedule.clock:
            gevent.get_hub().exception_stream = None  # thousands of runs: nothing is printed
            try:
                scenario(schedule)
            finally:
                escaped += schedule.clock.errors
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        failure = error
    finally:
        if collects:
            gc.enable()
    if schedule.broken is not None:
        raise schedule.broken
    escaped += [failure] if failure is not None else schedule.clock.errors
    violation = schedule.forget()
    return schedule, violation or (escaped[0] if escaped else None)
