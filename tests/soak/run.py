"""What happens in which order? Load and rest in turns, and the end.

Under load callers call and everything goes wrong. At rest nobody calls and the peers behave: within
`patience` everything must be as it was at first, and all capacity there.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent

from geventconnpool_gov.testing.epp_registry import EppRegistry
from soak import callers, looks, stage, trouble, watches
from soak.echo import EchoServer
from soak.noise import heard
from soak.readings import read
from soak.record import Record
from soak.stage import Stage

SAMPLE_EVERY = 1.0  # seconds, under load
SECOND_LOOK = 4.0  # seconds until the registry has noticed connections that were cut off
POOLS: dict[str, Callable[[Any], Any]] = {"echo": stage.echo_pool, "epp": stage.epp_pool}


@dataclass(frozen=True)
class Options:
    """How long, and how; `load` is the length of each turn of load, in seconds."""

    minutes: float = 10.0
    seed: int = 1
    callers: int = 40
    patience: float = 40.0
    load: float = 27.0


def run(
    options: Options,
    tell: Callable[[str], object] = print,
    make: dict[str, Callable[[Any], Any]] = POOLS,
) -> Record:
    """Run for as long as asked, or until something is broken; return what was seen."""
    with ExitStack() as stack:
        registry = stack.enter_context(EppRegistry())
        server = stack.enter_context(EchoServer(options.seed))
        here = Stage(registry, server, random.Random(options.seed), make)
        stack.enter_context(heard(here.tally))
        _everything_once(here)
        gc.collect()
        here.tally.reset()
        record = Record(here.tally, read())
        here.open_pools()
        try:
            while (left := 60 * options.minutes - record.elapsed) > 0 and not record.broken:
                _load(here, record, options, min(options.load, left))
                looks.rest(here, record, options.patience)
                tell(_line(record))
            record.note(watches.growth(record.rests))
            for kind, pool in here.pools.items():
                record.add(kind, pool.book, pool.stats())
            record.faults.update(server.order("figures")["faults"])
            record.faults.update(here.tally.trouble)
        finally:
            for pool in here.everybody():
                pool.close(timeout=0)
    return record


def _everything_once(here: Stage) -> None:
    """Have done what leaves something behind for good: threads, caches."""
    here.open_pools()
    for act in callers.ACTS:
        callers.call(here, act)
    for pool in here.everybody():
        pool.close(timeout=1.0)
    here.pools.clear()
    here.registry.changes(forget=True)


def _load(here: Stage, record: Record, options: Options, seconds: float) -> None:
    here.resting = False
    crowd = trouble.Crowd(here, options.callers)
    troublemakers = trouble.begin(here, crowd)
    ends = counted_right = monotonic() + seconds
    while (now := monotonic()) < ends and not record.broken:
        nap = min(SAMPLE_EVERY, ends - now)
        gevent.sleep(nap)
        lag = monotonic() - now - nap
        record.lag = max(record.lag, lag)
        record.note(looks.sample(here, record, len(crowd.present), lag))
        sessions = here.registry.connections
        record.highest("sessions at the registry", sessions)
        allowed = sum(looks.there(pool) for pool in here.everybody() if hasattr(pool, "send"))
        if sessions <= allowed:
            counted_right = monotonic()
        elif monotonic() - counted_right > SECOND_LOOK:
            record.note([f"the registry counts {sessions} connections, the pools {allowed}"])
    here.resting = True
    trouble.end(here, troublemakers)
    if late := crowd.go_home(options.patience):
        record.note([f"{late} callers have not ended {options.patience:g} s later"])


def _line(record: Record) -> str:
    tally, (at, reading) = record.tally, record.rests[-1]
    return (
        f"{at:6.2f} min  {tally.begun:8,} calls  {tally.right:8,} right replies"
        f"  {sum(tally.failed.values()):7,} failed  in order after {record.settled[-1]:4.1f} s:"
        f" {reading.descriptors} descriptors, {reading.greenlets} greenlets, {reading.timers}"
        f" timers, {reading.memory:.1f} MiB, {reading.objects:,} objects"
    )
