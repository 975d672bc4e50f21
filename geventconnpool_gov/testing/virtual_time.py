"""How can a test let hours pass in no time?

::

    with virtual_time() as clock:
        gevent.sleep(3600)
        assert clock.now == 3600.0

The block runs on a hub of its own, whose loop keeps its own time: when nothing is ready, the clock
jumps to the next timer. Sleeps, `gevent.Timeout`, ``spawn_later``, raw ``loop.timer`` and waits
with a timeout all end at once, in the right order; code itself takes no virtual time.

To keep in mind:

* Make locks, events, pools and servers inside the block, and close sockets inside: they belong to
  its hub. Child processes and signal handlers need the default loop, which this one is not.
* Sockets between greenlets of the block are fine. A thread, another process, a name look-up or a
  disk is outside the loop, and the clock runs ahead of it: any timeout wins. Test those in real
  time.
* `geventconnpool_gov.clock` is swapped for the whole process: one thread at a time.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any, Literal

import gevent
from gevent._hub_local import get_hub_if_exists, set_hub
from gevent.hub import Hub

from geventconnpool_gov import clock as package_clock

from ._virtual_loop import Order, TimeLimitError, VirtualTime, loop_class

__all__ = ["LeftoverError", "TimeLimitError", "VirtualClock", "virtual_time"]

YEAR = 366 * 86400.0


class LeftoverError(AssertionError):
    """Greenlets or timers outlived the block that started them."""


class VirtualClock:
    """The time of a `virtual_time` block, and what was counted in it."""

    def __init__(self, loop: VirtualTime) -> None:
        self._loop = loop
        #: What no greenlet and no callback caught; the hub has printed it as usual.
        self.errors: list[BaseException] = []

    def monotonic(self) -> float:
        """The same as ``now``, in the shape of `time.monotonic`."""
        return self._loop.now()

    @property
    def now(self) -> float:
        """Seconds since the block began."""
        return self._loop.now()

    @property
    def timers_started(self) -> int:
        """Calls that armed a timer, as sleeps and timeouts do; `gevent.sleep(0)` does not."""
        return self._loop.timers_started

    @property
    def timers_fired(self) -> int:
        """Timers that ran; one that repeats counts each time."""
        return self._loop.timers_fired


@contextmanager
def virtual_time(
    *,
    leftovers: Literal["forbid", "kill"] = "forbid",
    limit: float = YEAR,
    order: Order | None = None,
) -> Iterator[VirtualClock]:
    """Run the block in virtual time, on a fresh hub; restore the thread's former hub afterwards.

    At the end of the block, what is ready still runs, then the greenlets left are killed; they may
    clean up, in virtual time. Where the block itself did not fail, ``leftovers="forbid"`` reports
    them. Timers that do not keep the loop alive (``ref=False``) may stay. ``order`` chooses what
    runs next, see `geventconnpool_gov.testing.schedules`; by default all is first come, first run.

    Raises:
        LeftoverError: the block left greenlets, or timers that keep the loop alive.
        TimeLimitError: in the block, when the clock would pass ``limit`` seconds.
    """
    former_hub: Any = get_hub_if_exists()
    former_monotonic = package_clock.monotonic
    loop = loop_class(gevent.config.loop)(default=False)
    loop.limit, loop.order = limit, order
    hub: Any = Hub(loop)
    clock = VirtualClock(loop)
    greenlets: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    def note_greenlet(greenlet: Any) -> None:
        if greenlet.parent is hub:
            greenlets[greenlet] = None

    def note_error(context: Any, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, BaseException) and not isinstance(error, hub.NOT_ERROR):
            clock.errors.append(error)
        Hub.handle_error(hub, context, kind, error, traceback)

    set_hub(hub)
    hub.handle_error = note_error
    gevent.Greenlet.add_spawn_callback(note_greenlet)
    package_clock.monotonic = loop.now
    try:
        try:
            yield clock
        finally:
            loop.limit, loop.order = inf, None
            left = _end_greenlets(loop, greenlets) + loop.end_timers()
    finally:
        package_clock.monotonic = former_monotonic
        gevent.Greenlet.remove_spawn_callback(note_greenlet)
        del hub.handle_error
        hub.destroy(destroy_loop=True)
        hub.throw()  # the hub's greenlet waits in run(), and would never be collected
        set_hub(former_hub)  # None: the next get_hub() makes one
    if left and leftovers == "forbid":
        raise LeftoverError("left at the end of virtual time:\n  " + "\n  ".join(left))


def _end_greenlets(loop: VirtualTime, greenlets: weakref.WeakKeyDictionary[Any, None]) -> list[str]:
    """Let what is ready run, kill the greenlets that remain, and say which and where they were."""
    for _ in range(1000):
        if not loop.has_ready():
            break
        gevent.sleep(0)
    left = []
    for _ in range(10):  # a dying greenlet may spawn others
        alive = [greenlet for greenlet in greenlets if not greenlet.dead]
        if not alive:
            break
        left += [f"{greenlet!r}{_whereabouts(greenlet)}" for greenlet in alive]
        with suppress(gevent.Timeout):
            gevent.killall(alive, timeout=60)
    return left


def _whereabouts(greenlet: Any) -> str:
    gevent_folder = str(Path(gevent.__file__).parent)
    stack = traceback.extract_stack(greenlet.gr_frame) if greenlet.gr_frame else []
    lines = [line for line in stack if not line.filename.startswith(gevent_folder)]
    return f" at {lines[-1].filename}:{lines[-1].lineno}: {lines[-1].line}" if lines else ""
