"""What goes wrong during the demo, and when? The same in every run with the same seed.

Most mishaps are the registry's doing, ordered through `EppRegistry.fault`; besides, clients are
killed all the time, several a second.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gevent

from geventconnpool_gov.testing.epp_registry import EppRegistry

from .clients import Crowd
from .tally import Tally

__all__ = ["Mishaps"]

_KILL_EVERY = 0.15  # seconds
_FIRST, _LAST = 0.08, 0.92  # parts of the demo's time between which the registry misbehaves
_RESTART, _BACK_AGAIN = 0.5, 0.62  # nothing else happens while the registry is down


class Mishaps:
    """Everything that goes wrong within `seconds`."""

    def __init__(
        self,
        registry: EppRegistry,
        crowd: Crowd,
        tally: Tally,
        chance: random.Random,
        seconds: float,
    ) -> None:
        self._registry, self._crowd, self._tally, self._chance = registry, crowd, tally, chance
        self._seconds = seconds
        self.kills = 0

    def begin(self) -> list[gevent.Greenlet[..., Any]]:
        """Let it all go wrong from now on; return the greenlets that see to it."""
        return [gevent.spawn(self._registry_misbehaves), gevent.spawn(self._clients_die)]

    def _clients_die(self) -> None:
        while True:
            gevent.sleep(_KILL_EVERY)
            self.kills += self._crowd.kill_one()

    def _registry_misbehaves(self) -> None:
        now = 0.0
        for when, mishap in self._plan():
            gevent.sleep(when - now)
            now = when
            self._tally.events.append(mishap())

    def _plan(self) -> list[tuple[float, Callable[[], str]]]:
        repertoire = [
            self._drop_some,
            self._drop_all,
            self._log_out,
            self._truncate,
            self._garble,
            self._misaddress,
            self._fail,
            self._fall_silent,
        ]
        number = max(len(repertoire), int(self._seconds * 1.2))
        mishaps: list[Callable[[], str]] = []
        while len(mishaps) < number:
            mishaps += self._chance.sample(repertoire, len(repertoire))
        span = (_LAST - _FIRST) * self._seconds
        times = [_FIRST * self._seconds + span * turn / number for turn in range(number)]
        down = (_RESTART * self._seconds, _BACK_AGAIN * self._seconds)
        plan = [
            (when, mishap)
            for when, mishap in zip(times, mishaps, strict=False)
            if not down[0] <= when <= down[1]
        ]
        return sorted([*plan, (down[0], self._restart)], key=lambda item: item[0])

    def _drop_some(self) -> str:
        dropped = self._registry.fault("drop", number=self._chance.randint(1, 3), reset=True)
        return f"registry resets {dropped} of its connections"

    def _drop_all(self) -> str:
        return f"registry closes all {self._registry.fault('drop')} connections"

    def _log_out(self) -> str:
        ended = self._registry.fault("log_out", number=self._chance.randint(2, 6))
        return f"registry logs {ended} sessions out and tells nobody"

    def _truncate(self) -> str:
        self._registry.fault("truncate", count=2)
        return "registry breaks off in the middle of 2 replies"

    def _garble(self) -> str:
        self._registry.fault("garbage")
        self._registry.fault("oversize")
        return "registry sends garbage, and a frame of 4 GiB"

    def _misaddress(self) -> str:
        self._registry.fault("foreign_cltrid", count=2)
        return "registry sends 2 callers a reply with a stranger's clTRID"

    def _fail(self) -> str:
        self._registry.fault("result", code=2500, count=2)
        return "registry answers 2 commands 2500 and hangs up"

    def _fall_silent(self) -> str:
        self._registry.fault("silence", count=2)
        return "registry leaves 2 commands without an answer"

    def _restart(self) -> str:
        gevent.spawn(self._registry.fault, "restart", down=min(0.6, self._seconds / 10))
        return "REGISTRY RESTARTS: every connection is reset, and connects are refused"
