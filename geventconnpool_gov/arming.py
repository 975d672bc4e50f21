"""When may a watcher be started on a descriptor that somebody else can close?

libev and libuv take note of a new watcher at once, and tell the kernel only when the loop is about
to sleep. A descriptor that is closed between the two aborts the whole process. So watchers are
started as the last thing before that, in a `prepare` callback: no greenlet runs between the look
at the descriptor and the kernel's. A connection that is given back and lent again within one pass
of the loop then costs no watcher at all.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    from .health import Guard

__all__ = ["Arming"]

_LAST = -2  # libev's lowest priority: behind gevent's own callbacks


class Arming:
    """The guards of one pool that wait for the end of the loop's pass."""

    __slots__ = ("__weakref__", "_prepare", "_waiting")

    def __init__(self) -> None:
        self._prepare: Any = None
        self._waiting: list[Guard] = []

    def add(self, guard: Guard) -> None:
        """Have this guard's watcher started, if it is still wanted then."""
        self._waiting.append(guard)
        if self._prepare is None:
            loop: Any = gevent.get_hub().loop
            try:
                self._prepare = loop.prepare(ref=False, priority=_LAST)
            except TypeError:
                # gevent's libuv loop has none. A callback comes close: what is closed before it
                # runs is seen, what a greenlet closes behind it in the same pass is not.
                self._prepare = loop.run_callback(_start, weakref.ref(self))
            else:
                self._prepare.start(_start, weakref.ref(self))

    def forget(self) -> None:
        """Start none of them."""
        self._waiting.clear()
        if self._prepare is not None:
            self._prepare.stop()  # a callback has both methods, too
            self._prepare.close()
            self._prepare = None

    def start_all(self) -> None:
        """Start those that are still wanted. Does not switch."""
        waiting = self._waiting[:]
        self.forget()
        for guard in waiting:
            guard.start_watching()


def _start(reference: weakref.ref[Arming]) -> None:
    arming = reference()
    if arming is not None:
        arming.start_all()
