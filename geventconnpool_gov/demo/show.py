"""What happens in the demo, in which order? Registry, pool, clients, mishaps; then the checks."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import gevent

from geventconnpool_gov.epp import EppPool
from geventconnpool_gov.statistics import PoolStats
from geventconnpool_gov.testing.epp_registry import EppRegistry

from . import checks
from .checks import Check
from .clients import Crowd
from .mishaps import Mishaps
from .tally import Tally

__all__ = ["Moment", "Options", "View", "epp_pool", "run"]

_ANSWER_SECONDS = (0.002, 0.006)  # the registry takes this long, and up to so much more
_COMMAND_TIMEOUT = 1.0
_EVENT_WIDTH = 90


@dataclass(frozen=True)
class Options:
    """How big and how long; the same seed brings the same mishaps.

    Afterwards the pool has `patience` seconds to be whole again, and as many to close.
    """

    seconds: float = 15.0
    clients: int = 50
    size: int = 8
    seed: int = 1
    patience: float = 5.0


@dataclass(frozen=True)
class Moment:
    """What a view shows: the state at one moment, and the counts so far."""

    options: Options
    elapsed: float
    stats: PoolStats
    tally: Tally
    kills: int


class View(Protocol):
    """How the demo looks. `every` is the time between two moments, in seconds."""

    every: float

    def show(self, moment: Moment) -> None:
        """Show one moment."""

    def conclude(self, results: list[Check], moment: Moment) -> None:
        """Show what came out."""


def epp_pool(registry: EppRegistry, options: Options) -> EppPool:
    """Return the pool under test: `size` sessions with `registry`."""
    return EppPool(
        options.size,
        **registry.pool_arguments(),
        command_timeout=_COMMAND_TIMEOUT,
        timeout=10.0,
        name="demo",
    )


def run(
    options: Options,
    view: View,
    make_pool: Callable[[EppRegistry, Options], EppPool] = epp_pool,
) -> list[Check]:
    """Run the demo, and return what the checks found."""
    chance, tally = random.Random(options.seed), Tally()
    with (
        EppRegistry(session_limit=2 * options.size) as registry,
        _log_lines(tally.events),
        make_pool(registry, options) as pool,
    ):
        registry.fault("delay", seconds=_ANSWER_SECONDS[0], spread=_ANSWER_SECONDS[1])
        pool.wait_until_ready(30.0)
        crowd = Crowd(options.clients, pool, tally, chance)
        mishaps = Mishaps(registry, crowd, tally, chance, options.seconds)
        began = monotonic()

        def moment() -> Moment:
            return Moment(options, monotonic() - began, pool.stats(), tally, mishaps.kills)

        trouble = mishaps.begin()
        try:
            while monotonic() - began < options.seconds:
                view.show(moment())
                gevent.sleep(view.every)
        finally:
            gevent.killall(trouble)
        crowd.go_home(timeout=30.0)
        last = moment()
        registry.fault("clear")
        results = [
            checks.replies(tally),
            checks.capacity(pool, registry, options.size, options.patience),
            checks.calls(tally),
            checks.shutdown(pool, registry, options.patience),
        ]
        view.conclude(results, last)
    return results


class _Handler(logging.Handler):
    """Puts the pool's own warnings among the events, where the views show them.

    Of connects that fail one after the other, the first and the last.
    """

    def __init__(self, events: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().partition(", next attempt")[0][:_EVENT_WIDTH]
        repeats = [event.startswith(text[:24]) for event in self._events[-2:]]
        self._events[len(self._events) - (repeats == [True, True]) :] = [text]


@contextmanager
def _log_lines(events: list[str]) -> Iterator[None]:
    logger, handler = logging.getLogger("geventconnpool_gov"), _Handler(events)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
