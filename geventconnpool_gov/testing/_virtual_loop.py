"""What does a gevent loop do whose time is virtual?

It is the configured loop, libev's or libuv's, with its I/O as it is. Its timers are on a heap of
its own, and its callbacks in a queue of its own. An idle watcher, which runs when nothing else
does, sets the clock to the next timer that is due.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import count
from math import inf
from typing import Any, cast

from gevent.exceptions import HubDestroyed, LoopExit

#: Given the number of due timers and of ready callbacks, the index of the one to run; timers first.
Order = Callable[[int, int], int]


class TimeLimitError(AssertionError):
    """The clock reached its limit: something waits for what never happens."""


@cache
def loop_class(real: type) -> Any:
    """The class of the configured loop, be it libev's or libuv's, with virtual time."""
    return type("VirtualLoop", (VirtualTime, real), {})


class VirtualTime:
    """What a virtual loop does in its own way. Its I/O stays the real loop's."""

    error_handler: Any  # the hub, while it runs the loop
    order: Order | None = None
    limit = inf

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.timers_started = self.timers_fired = 0
        self._real = cast(Any, super())
        self._now = 0.0
        self._tickets = count(1)
        self._heap: list[tuple[float, int, _Timer]] = []
        self._due: deque[_Timer] = deque()
        self._ready: deque[_Callback] = deque()
        self._scheduled = False  # the real loop is going to call _run_ready
        self._destroyed = False
        self._stirred = False  # something ran since the loop last polled for I/O
        self._active = {True: 0, False: 0}  # timers that keep the loop alive, and the others
        self._idles = {ref: self._real.idle(ref=ref) for ref in (True, False)}
        self._idle: Any = None  # the one of them that is started: it calls _jump

    def now(self) -> float:
        return self._now

    def update_now(self) -> None:
        pass

    def timer(
        self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None
    ) -> _Timer:
        return _Timer(self, after, repeat, ref)

    def run_callback(self, callback: Callable[..., object], *args: Any) -> _Callback:
        entry = _Callback(callback, args)
        self._ready.append(entry)
        self._schedule()
        return entry

    def has_ready(self) -> bool:
        return bool(self._due or self._ready)

    def push(self, timer: _Timer) -> int:
        ticket = next(self._tickets)
        heapq.heappush(self._heap, (timer.at, ticket, timer))
        return ticket

    def count_active(self, ref: bool, change: int) -> None:
        self._active[ref] += change
        kinds = [ref for ref in (True, False) if self._active[ref]]
        idle = self._idles[kinds[0]] if kinds else None
        if idle is not self._idle:
            if self._idle is not None:
                self._idle.stop()
            if idle is not None:
                idle.start(self._jump)
            self._idle = idle

    def end_timers(self) -> list[str]:
        """Stop every timer, and name those that kept the loop alive."""
        timers = [timer for _, ticket, timer in sorted(self._heap) if timer.ticket == ticket]
        left = [f"timer due at {t.at:g} s: {t.callback!r}{t.args!r}" for t in timers if t.ref]
        for timer in timers:
            timer.stop()
        return left

    def destroy(self) -> Any:
        for idle in self._idles.values():
            idle.close()
        return self._real.destroy()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._real.run_callback(self._run_ready)

    def _run_ready(self) -> None:
        """Run as many as are ready now; those that they make ready wait until I/O had its turn."""
        self._scheduled = False
        self._stirred = True
        for _ in range(len(self._due) + len(self._ready)):
            entry = self._take()
            if entry is None:
                break
            try:
                entry.run()
            except HubDestroyed:
                raise  # the real loop ends on it
            except BaseException as error:
                self.handle_error(entry, type(error), error, error.__traceback__)
            entry.finish()
        if self.has_ready():
            self._schedule()

    def _take(self) -> _Timer | _Callback | None:
        if self.order is None:
            while self._due or self._ready:
                entry = self._due.popleft() if self._due else self._ready.popleft()
                if entry.pending:
                    return entry
            return None
        due = self._due = deque(timer for timer in self._due if timer.pending)
        ready = self._ready = deque(callback for callback in self._ready if callback.pending)
        if not (due or ready):
            return None
        index = self.order(len(due), len(ready))
        if index < len(due):
            timer = due[index]
            del due[index]
            return timer
        callback = ready[index - len(due)]
        del ready[index - len(due)]
        return callback

    def _jump(self) -> None:
        """The idle watcher's callback: nothing is ready, so let time pass until a timer is due."""
        # libuv calls idle watchers before it polls: jump after a whole turn in which nothing ran.
        if self._stirred or self.has_ready():
            self._stirred = False
            return
        heap = self._heap
        while heap and heap[0][2].ticket != heap[0][1]:
            heapq.heappop(heap)  # stopped
        if not heap:
            return
        if heap[0][0] > self.limit:
            error = TimeLimitError(f"nothing but timers until {heap[0][0]:g} s of virtual time")
            self.error_handler.parent.throw(error)
            return
        self._now = max(self._now, heap[0][0])
        while heap and heap[0][0] <= self._now:
            _, ticket, timer = heapq.heappop(heap)
            if timer.ticket == ticket:
                timer.expire()
                self._due.append(timer)
        self._run_ready()

    def handle_error(self, context: Any, kind: Any, error: Any, traceback: Any) -> None:
        self._destroyed = self._destroyed or kind is HubDestroyed
        self._real.handle_error(context, kind, error, traceback)

    # libuv's loop alone calls the next two.

    def _run_callbacks(self) -> None:
        if self._destroyed:  # it would go on, and block, while a socket is watched
            raise LoopExit("the hub is destroyed")
        self._real._run_callbacks()

    def _queue_callback(self, watcher: Any, events: int) -> None:
        """Notice that a watcher has an event."""
        if self._idle is None or watcher != self._idle._watcher:
            self._stirred = True
        self._real._queue_callback(watcher, events)


class _Callback:
    """What ``loop.run_callback`` returns: pending until it begins to run, true until it has run."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args: tuple[Any, ...] | None = args

    def __bool__(self) -> bool:
        return self.args is not None

    @property
    def pending(self) -> bool:
        return self.callback is not None

    def stop(self) -> None:
        self.callback = self.args = None

    close = stop

    def run(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None and self.args is not None:
            callback(*self.args)

    def finish(self) -> None:
        self.args = None


class _Timer:
    """What ``loop.timer`` returns. Where libev and libuv differ, it does as libev does.

    `start` on an active timer changes its callback alone. A stopped timer keeps the time that
    remained, so that one that has fired, started again, fires at once. To use a timer again, give
    it a ``repeat`` and call `again`.
    """

    def __init__(self, loop: VirtualTime, after: float, repeat: float, ref: bool) -> None:
        if repeat < 0.0:
            raise ValueError(f"repeat must be positive or zero: {repeat!r}")
        self.loop = loop
        self.at = max(0.0, float(after))  # the time while active, else how much of it remains
        self.ticket = 0  # of its entry in the heap; 0 while inactive
        self.pending = False  # due, and waiting for its turn
        self.callback: Callable[..., object] | None = None
        self.args: tuple[Any, ...] | None = None
        self._repeat = repeat
        self._ref = ref

    @property
    def active(self) -> bool:
        return self.ticket != 0

    @property
    def ref(self) -> bool:
        return self._ref

    @ref.setter
    def ref(self, value: bool) -> None:
        if self.active:
            self.loop.count_active(self._ref, -1)
            self.loop.count_active(value, +1)
        self._ref = value

    def start(self, callback: Callable[..., object], *args: Any, update: object = None) -> None:
        self._set_callback(callback, args)
        if not self.active:
            self._activate(self.at)
            self.loop.timers_started += 1

    def again(self, callback: Callable[..., object], *args: Any, update: object = None) -> None:
        self._set_callback(callback, args)
        self.pending = False
        self._deactivate()
        if self._repeat:
            self._activate(self._repeat)
            self.loop.timers_started += 1

    def stop(self) -> None:
        self.pending = False
        self._deactivate()
        self.callback = self.args = None

    close = stop

    def __enter__(self) -> _Timer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def expire(self) -> None:
        self._deactivate()
        self.pending = True
        if self._repeat:
            self._activate(self._repeat)

    def run(self) -> None:
        self.pending = False
        self.loop.timers_fired += 1
        if self.callback is not None and self.args is not None:
            self.callback(*self.args)

    def finish(self) -> None:
        if not self.active:
            self.stop()

    def _set_callback(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not callable(callback):
            raise TypeError(f"Expected callable, not {callback!r}")
        self.callback, self.args = callback, args

    def _activate(self, after: float) -> None:
        self.at = self.loop.now() + after
        self.ticket = self.loop.push(self)
        self.loop.count_active(self._ref, +1)

    def _deactivate(self) -> None:
        if self.active:
            self.at -= self.loop.now()
            self.ticket = 0
            self.loop.count_active(self._ref, -1)
