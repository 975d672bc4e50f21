"""What does this process hold: descriptors, memory, greenlets, timers, watchers, objects?"""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import gevent


@dataclass(frozen=True)
class Reading:
    """What the process holds at one moment; `memory` in MiB."""

    descriptors: int
    memory: float
    greenlets: int  # alive; not those in which gevent runs its threads
    timers: int  # active in the event loop
    watchers: int  # of sockets, active in the event loop
    objects: int  # that the garbage collector knows

    def less(self, other: Reading) -> Reading:
        """Return what this has more than the other."""
        ours, theirs = asdict(self), asdict(other)
        return Reading(**{name: ours[name] - theirs[name] for name in ours})


def read() -> Reading:
    """Take a reading. Does not switch; what is garbage is not collected first."""
    objects = gc.get_objects()
    kinds: Counter[str] = Counter()
    for each in objects:
        kind = type(each)
        if kind.__name__ in ("timer", "io") and kind.__module__.startswith("gevent"):
            kinds[kind.__name__] += bool(each.active)
        elif isinstance(each, gevent.Greenlet):
            kinds["greenlet"] += not each.dead
    return Reading(
        descriptors=descriptors(),
        memory=memory(),
        greenlets=kinds["greenlet"],
        timers=kinds["timer"],
        watchers=kinds["io"],
        objects=len(objects),
    )


def descriptors() -> int:
    """Return how many descriptors are open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return sum(1 for _ in Path(folder).iterdir()) - 1  # the one of the listing
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sum(_is_open(number) for number in range(min(most, 4096)))


def memory() -> float:
    """Return the resident memory in MiB; its peak where the system tells no more."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
