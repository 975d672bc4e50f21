"""What can be seen of a pool from outside, and what must be true of it at every moment?

A `World` has a pool whose connections are without a peer, and clients that borrow from it. It keeps
a record of its own of who called, who got what and how each lease ended; `check` compares the
pool's account and figures with that record, exactly, and is called before each step of the loop.
Connects, uses and closes take a second each, so that they end together, and meet whatever else
happens then.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import gevent
import pytest
from guards import StandIn
from pools import Connection, Pool

from geventconnpool_gov import PoolClosed, PoolError, PoolTimeout, TooManyRequests, clock, core
from geventconnpool_gov.entries import WAITING
from geventconnpool_gov.testing.schedules import Schedule

__all__ = ["World", "world"]


class Resource(Connection):
    """A connection that knows who uses it, and whether anybody may again."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.users = 0
        self.spoiled = ""  # why nobody may have it any more
        self.peer_closed = False
        self.guard: Any = None


class Lending(Pool):
    """A pool of resources, with or without something like a socket to look at."""

    def __init__(self, size: int, *, guarded: bool, **options: Any) -> None:
        self.guarded = guarded
        self.connecting = self.failures = 0
        super().__init__(size, **options)
        self.closing_takes = 1.0

    def _new_connection(self) -> object:
        self.connecting += 1
        try:
            gevent.sleep(1.0)
            if self.failures:
                self.failures -= 1
                raise OSError("refused")
            self.made.append(Resource(len(self.made) + 1))
            return self.made[-1]
        finally:
            self.connecting -= 1

    def _keepalive(self, c: Any) -> None:
        gevent.sleep(0.5)

    def _socket(self, c: Any) -> Any:
        return c if self.guarded else None


class Call:
    """One borrow: how far it has come, and how it ended."""

    def __init__(self, number: int) -> None:
        self.number = number  # in the order of the calls
        self.greenlet = gevent.getcurrent()
        self.came = clock.monotonic()
        self.used = 0.0  # for how many seconds it held a connection, once that has ended
        self.state = "asking"  # holding, then: served, failed, interrupted, cancelled, refused
        self.had_turn = False  # was handed something, or found something idle


class World:
    """One pool and its clients, each of which borrows for a second, and once more for no time."""

    def __init__(self, size: int, starts: Sequence[float], **options: Any) -> None:
        self.pool = Lending(size, **options)
        self.wrong: list[str] = []  # what a client saw that it must not see
        self.calls: list[Call] = []
        self.got = 0  # calls that were lent something
        self.waits = 0.0  # for how many seconds those waited
        self.turned_away = 0  # calls of a pool that was closed already
        self.broken_in_use = False  # the next lease to end ends in an error
        self.clients = [gevent.spawn_later(start, self.borrow_twice) for start in starts]

    def interrupt(self, number: int, how: str) -> None:
        """A kill, or a Timeout if this client is in a call."""
        client = self.clients[number]
        if how == "kill":
            client.kill(block=False)
        elif any(call.greenlet is client for call in self.of("asking", "holding")):
            gevent.get_hub().loop.run_callback(client.throw, gevent.Timeout(1))

    def borrow_twice(self) -> None:
        with contextlib.suppress(OSError, PoolError, gevent.Timeout):
            self.borrow(1.0)
            self.borrow(0.0)

    def borrow_once(self, **get: Any) -> None:
        with contextlib.suppress(OSError, PoolError, gevent.Timeout):
            self.borrow(1.0, **get)

    def borrow(self, seconds: float, **get: Any) -> None:
        call = Call(len(self.calls))
        self.calls.append(call)
        self.turned_away += self.pool._core.ledger.shut
        try:
            with self.pool.get(**get) as resource:
                call.state = "holding"
                self.lend(resource)
                began = clock.monotonic()
                self.waits += began - call.came
                try:
                    self.use(call, seconds)
                    if self.broken_in_use:
                        self.broken_in_use = False
                        raise OSError("broken in use")
                except BaseException as error:
                    resource.spoiled = repr(error)
                    raise
                finally:
                    resource.users -= 1
                    call.used = clock.monotonic() - began
        except BaseException as error:
            call.state = self.ending_of(call, error)
            raise
        call.state = "served"

    def use(self, call: Call, seconds: float) -> None:
        if seconds:
            gevent.sleep(seconds)

    def ending_of(self, call: Call, error: BaseException) -> str:
        if call.state == "holding":
            return "broken"
        kinds = {PoolClosed: "refused", PoolTimeout: "timed out", TooManyRequests: "rejected"}
        return kinds.get(type(error), "cancelled")

    def lend(self, resource: Resource) -> None:
        """A client was handed this: it must be its alone, and fit."""
        self.got += 1
        resource.users += 1
        if resource.users > 1:
            self.wrong.append(f"{resource} is lent to two at once")
        if resource.spoiled:
            self.wrong.append(f"{resource} is lent after {resource.spoiled}")
        if resource.closed:
            self.wrong.append(f"{resource} is lent after its close")
        if resource.peer_closed:
            self.wrong.append(f"{resource} is lent though its peer has closed it")
        entry = self.pool._core.ledger.find(resource)
        if entry is None or entry.expires_at <= clock.monotonic():
            self.wrong.append(f"{resource} is lent after its lifetime")

    # -- what must be true at every moment

    def check(self) -> None:
        """Every sentence below is true now."""
        stats = self.pool.stats()
        self.pool._core.ledger.check()
        self.nobody_got_what_was_not_theirs_alone_and_fit()
        self.nobody_is_overtaken()
        self.no_more_are_open_than_allowed_and_none_is_closed_twice()
        self.the_connections_add_up(stats)
        self.the_calls_add_up(stats)

    def nobody_got_what_was_not_theirs_alone_and_fit(self) -> None:
        assert not self.wrong, self.wrong

    def nobody_is_overtaken(self) -> None:
        queue = [w.greenlet for w in self.pool._core.ledger.waiters if w.state is WAITING]
        asking = self.of("asking")
        for call in asking:
            call.had_turn = call.had_turn or call.greenlet not in queue
        assert len(queue) <= len(asking), "a stranger is in the queue"
        # One whose connection turned out dead waits again, and others may have theirs by then.
        patient = [call.number for call in asking if not call.had_turn]
        ahead = [call for call in asking if call.greenlet not in queue] + self.of("holding")
        assert all(call.number < number for call in ahead for number in patient), (ahead, patient)

    def no_more_are_open_than_allowed_and_none_is_closed_twice(self) -> None:
        ledger = self.pool._core.ledger
        assert all(resource.closed <= 1 for resource in self.pool.made)
        assert len(self.pool.still_open) + self.pool.connecting <= ledger.most, self.pool

    def the_connections_add_up(self, stats: Any) -> None:
        assert stats.opened - sum(stats.closed.values()) == stats.open
        assert stats.open == stats.idle + stats.in_use
        assert stats.opened == len(self.pool.made)
        held = sum(resource.users for resource in self.pool.made)
        probed = len(self.pool._core.prober.under_way)
        assert held <= stats.in_use <= held + probed + len(self.of("asking"))
        assert not (stats.idle and stats.waiting), "somebody waits beside an idle connection"

    def the_calls_add_up(self, stats: Any) -> None:
        assert stats.waiting <= len(self.of("asking"))
        assert stats.requests == len(self.calls) - self.turned_away
        assert stats.wait.count == self.got
        assert stats.wait.sum == pytest.approx(self.waits)
        ended = self.of("served", "broken")
        assert stats.use.count == len(ended)
        assert stats.use.sum == pytest.approx(sum(call.used for call in ended))
        assert stats.requests_cancelled == len(self.of("cancelled"))
        assert stats.requests_timed_out == len(self.of("timed out"))
        assert stats.requests_rejected == len(self.of("rejected"))
        assert stats.requests_refused == len(self.of("refused")) - self.turned_away

    def of(self, *states: str) -> list[Call]:
        """The calls in these states."""
        return [call for call in self.calls if call.state in states]

    # -- what must be true in the end

    def settle(self) -> None:
        """Nobody is left waiting, nothing under way, and all capacity is there again."""
        self.pool.failures = 0  # the outage ends, and backoff with it, in half a minute
        gevent.sleep(100)
        while self.pool._core.prober.under_way:
            gevent.sleep(0.25)
        stats = self.pool.stats()
        assert not self.of("asking", "holding"), self.pool
        if self.pool._core.ledger.shut:
            return
        assert stats.min_size <= stats.open == stats.idle <= stats.size, self.pool
        assert stats.opening == stats.waiting == self.pool._core.ledger.closing == 0, self.pool
        assert not [r for r in self.pool.still_open if r.spoiled or r.peer_closed]

    def end(self) -> None:
        """Close the pool: it ends, and each connection was closed once."""
        self.pool.closing_takes = 0.0  # in what order these end is of no interest
        self.pool.close()
        gevent.sleep(10)
        assert [resource.closed for resource in self.pool.made] == [1] * len(self.pool.made)
        assert self.pool._core.ledger.closing == self.pool._core.ledger.opening == 0


@contextmanager
def world(schedule: Schedule, *args: Any, **options: Any) -> Iterator[World]:
    """A world that is checked before each step of the schedule, and comes to its end."""

    def longest(low: float, high: float) -> float:
        return high

    with mock.patch.object(core, "Guard", StandIn), mock.patch.object(random, "uniform", longest):
        here = World(*args, **options)
        schedule.always(here.check)
        yield here
        here.settle()
        here.end()
