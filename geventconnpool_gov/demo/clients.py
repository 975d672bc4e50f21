"""What does a client do, and how does it know that a reply is its own?

It thinks, then asks about a domain that nobody else asks about. The registry's answer is a
function of the domain's name (`epp_protocol`), so the name and the identifier in the reply prove
whose it is. Info and check change nothing, so a call whose connection broke is simply repeated.
"""

from __future__ import annotations

import random
from itertools import count
from time import monotonic
from typing import Any

import gevent

from geventconnpool_gov.epp import Command, EppPool, Response, TransportError
from geventconnpool_gov.retrying import retry
from geventconnpool_gov.testing.epp_protocol import is_registered, roid_of
from geventconnpool_gov.testing.epp_queries import (
    availability,
    check_domains,
    info_domain,
    roids,
)

from .tally import Tally

__all__ = ["Client", "Crowd", "proves"]

_THINKING_SECONDS = 0.035  # the mean
_IMPATIENT = 0.02  # so many of the calls get a timeout that fires while they are under way
_REPEATS = 20


class Client:
    """One client. `holding` is true while it has a session, which is when a kill hurts most."""

    def __init__(self, number: int, pool: EppPool, tally: Tally, chance: random.Random) -> None:
        self.holding = False
        self._pool, self._tally, self._chance = pool, tally, chance
        self._names = (f"client-{number}-call-{serial}.test" for serial in count(1))
        self._ask = retry(
            self._ask_once, exc_classes=(TransportError,), max_failures=_REPEATS, logger=self
        )

    def live(self, crowd: Crowd) -> None:
        """Think and call until the crowd goes home."""
        while not crowd.going_home:
            gevent.sleep(self._chance.expovariate(1 / _THINKING_SECONDS))
            self.call()

    def call(self) -> None:
        """Make one call, and count how it ended."""
        tally, name = self._tally, next(self._names)
        checks = self._chance.random() < 0.3
        if checks and self._chance.random() < 0.5:
            name = f"free-{name}"
        impatient = self._chance.random() < _IMPATIENT
        patience = gevent.Timeout(self._chance.uniform(0.0005, 0.01) if impatient else None)
        tally.begun += 1
        try:
            with patience:
                reply = self._ask(check_domains([name]) if checks else info_domain(name))
        except gevent.GreenletExit:
            tally.killed += 1
            raise
        except (Exception, gevent.Timeout) as error:
            if error is patience:
                tally.timed_out += 1
            else:
                tally.unanswered.append(f"{name}: {type(error).__name__}: {error}")
        else:
            if proves(reply, name):
                tally.answered += 1
            else:
                tally.strangers.append(f"{name} got {reply!r}")

    def log(self, _level: int, _message: str) -> None:
        """Be told by `retry` that the command is sent again."""
        self._tally.retried += 1

    def _ask_once(self, command: Command) -> Response:
        asked = monotonic()
        with self._pool.get() as client:
            self._tally.waits.append(monotonic() - asked)
            self.holding = True
            try:
                response: Response = client.send(command)
            finally:
                self.holding = False
        if response.closing or response.logged_out:
            raise TransportError(f"the registry ended the session: {response.code}")
        return response


class Crowd:
    """All clients. A killed one is replaced at once."""

    def __init__(self, size: int, pool: EppPool, tally: Tally, chance: random.Random) -> None:
        self.going_home = False
        self._numbers = count(1)
        self._arguments = (pool, tally, chance)
        self._chance = chance
        self._clients: dict[gevent.Greenlet[..., Any], Client] = {}
        for _ in range(size):
            self._join()

    def kill_one(self) -> bool:
        """Kill a client in the middle of a command, if there is one; whether there was."""
        victims = [greenlet for greenlet, client in self._clients.items() if client.holding]
        if not victims:
            return False
        victim = self._chance.choice(victims)
        self._join()
        victim.kill(block=False)
        return True

    def go_home(self, timeout: float) -> None:
        """Let every client finish its call; one that takes over `timeout` seconds has no answer."""
        self.going_home = True
        greenlets = list(self._clients)
        gevent.joinall(greenlets, timeout=timeout)
        gevent.killall(greenlets, TimeoutError(f"no answer {timeout:g} s after closing time"))

    def _join(self) -> None:
        client = Client(next(self._numbers), *self._arguments)
        greenlet = gevent.spawn(client.live, self)
        self._clients[greenlet] = client
        greenlet.rawlink(lambda ended: self._clients.pop(ended, None))


def proves(reply: Response, name: str) -> bool:
    """Tell whether `reply` can only be the answer about the domain `name`."""
    found = availability(reply)
    if found:
        return found == {name: not is_registered(name)}
    return (reply.texts(".//{*}infData/{*}name"), roids(reply)) == ([name], [roid_of(name)])
