"""What goes wrong meanwhile, and what is done to the pools? Drawn by seed, until there is rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from soak.callers import call
from soak.stage import KINDS, Stage

# Seconds, the mean, between a caller's calls: from a crowd to a few, so that connections idle.
_PACES = (0.01, 0.03, 0.3, 3.0, 15.0)
_PACE_EVERY, _KILL_EVERY, _FAULT_EVERY, _DOWN_EVERY, _ORDER_EVERY = 4.0, 0.05, 0.5, 4.0, 1.0
_NAP = 1.0  # seconds after which a caller looks whether there is rest
_STORM = 120  # callers at once


class Crowd:
    """The callers: so many at a time, a killed one is replaced, and storms of more."""

    def __init__(self, stage: Stage, size: int) -> None:
        self._stage = stage
        self.present: set[Any] = set()
        self.pace = _PACES[0]
        for _ in range(size):
            self._join(self._live)

    def kill_one(self) -> None:
        """Kill somebody, in whatever state, and have somebody else come."""
        if self.present:
            victim = self._stage.chance.choice(list(self.present))
            victim.kill(block=False)
            self._stage.tally.trouble["callers killed"] += 1
            self._join(self._live)

    def change_pace(self) -> None:
        """Have everybody come more often, or less."""
        self.pace = self._stage.chance.choice(_PACES)

    def storm(self) -> None:
        """Have many more come at once, each with one call."""
        for _ in range(_STORM):
            self._join(lambda: call(self._stage))

    def go_home(self, timeout: float) -> int:
        """Let everybody finish a call; return how many do not within `timeout` seconds."""
        gevent.joinall(list(self.present), timeout=timeout)
        return len(self.present)

    def _join(self, live: Callable[[], None]) -> None:
        greenlet = gevent.spawn(live)
        self.present.add(greenlet)
        greenlet.rawlink(self.present.discard)

    def _live(self) -> None:
        while not self._stage.resting:
            thinking = self._stage.chance.expovariate(1 / self.pace)
            gevent.sleep(min(_NAP, thinking))
            if thinking <= _NAP or self._stage.chance.random() < _NAP / thinking:
                call(self._stage)


def begin(stage: Stage, crowd: Crowd) -> list[Any]:
    """Let it all go wrong; return the greenlets that see to it, and end when the stage rests."""
    stage.server.order("behave", rude=True)
    return [
        gevent.spawn(_every, stage, seconds, what)
        for seconds, what in (
            (_PACE_EVERY, crowd.change_pace),
            (_KILL_EVERY, crowd.kill_one),
            (_FAULT_EVERY, lambda: _registry_fault(stage)),
            (_FAULT_EVERY, lambda: _registry_fault(stage)),
            (_DOWN_EVERY, lambda: _server_down(stage)),
            (_ORDER_EVERY, lambda: _order(stage, crowd)),
        )
    ]


def end(stage: Stage, troublemakers: list[Any]) -> None:
    """Have the peers behave from now on."""
    gevent.joinall(troublemakers, raise_error=True)
    stage.registry.fault("clear")
    stage.server.order("behave", rude=False)


def _every(stage: Stage, seconds: float, what: Callable[[], object]) -> None:
    while not stage.resting:
        gevent.sleep(min(1.5, stage.chance.expovariate(1 / seconds)))
        if not stage.resting:
            what()


def _server_down(stage: Stage) -> None:
    stage.server.order("down", seconds=stage.chance.uniform(0.1, 1.0))


def _registry_fault(stage: Stage) -> None:
    """Have the registry misbehave once, or for a while."""
    chance, fault = stage.chance, stage.registry.fault
    at_once: dict[str, Callable[[], dict[str, Any]]] = {
        "drop": lambda: {"number": chance.choice([1, 2, None]), "reset": chance.random() < 0.5},
        "log_out": lambda: {"number": chance.randint(1, 3), "reason": chance.choice(_REASONS)},
        "restart": lambda: {"down": chance.uniform(0.05, 0.6)},
        "turn_away": lambda: {"count": chance.randint(1, 4)},
        "result": lambda: {"code": chance.choice([2002, 2400, 2500, 2501, 2502])},
    }
    spoilers = dict.fromkeys(_SPOILERS, lambda: {"count": chance.randint(1, 3)})
    for_a_while: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "delay": ({"seconds": 0.005, "spread": chance.choice([0.02, 0.9])}, {}),
        "refuse_login": ({"code": chance.choice([2200, 2307, 2400, 2501])}, {"code": None}),
        "session_limit": ({"limit": chance.randint(0, 4)}, {"limit": 100}),
        "black_hole": ({"on": True}, {"on": False}),
    }
    kind = chance.choice([*at_once, *spoilers, *for_a_while])
    stage.tally.trouble[f"registry: {kind}"] += 1
    if kind in for_a_while:
        begun, called_off = for_a_while[kind]
        fault(kind, **begun)
        gevent.sleep(chance.uniform(0.1, 1.0))
        fault(kind, **called_off)
    else:
        fault(kind, **{**at_once, **spoilers}[kind]())


_REASONS = ("", "Registrar is not logged in")
_SPOILERS = (
    *("truncate", "garbage", "oversize", "empty", "foreign_cltrid", "silence", "unreadable"),
)


def _order(stage: Stage, crowd: Crowd) -> None:
    """Do to a pool what its owner may do."""
    chance = stage.chance
    kind = chance.choice(KINDS)
    pool = stage.pools[kind]
    what = chance.choices(["resize", "drain", "storm", "close", "let go"], [6, 4, 3, 3, 1])[0]
    stage.tally.trouble[f"pool: {what}"] += 1
    if what == "resize":
        size = chance.randint(4, 16) if kind == "echo" else chance.randint(3, 8)
        pool.resize(size, chance.choice([None, 2, 3]))
    elif what == "drain":
        pool.drain()
    elif what == "storm":
        crowd.storm()
    else:
        old = stage.replace(kind, closed=what == "close")
        if what == "close":
            old.close(timeout=chance.choice([None, 0, 0.3]))
