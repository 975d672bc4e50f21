"""Who takes part? The two peers, a pool for each, the pools that were replaced, and the tally."""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from geventconnpool_gov import PoolStats
from geventconnpool_gov.epp import EppPool
from geventconnpool_gov.testing.epp_registry import EppRegistry
from soak.book import Book, Watched
from soak.echo import EchoPool, EchoServer
from soak.tally import Tally

KINDS = ("echo", "epp")

# Every option is on, and short enough that a few seconds have all of it happen.
_OPTIONS: dict[str, Any] = {
    "timeout": 2.0,
    "max_waiting": 60,
    "idle_timeout": 1.0,
    "max_lifetime": 4.0,
    "check_after": 0.3,
    "check_timeout": 0.4,
    "keepalive": 0.7,
    "connect_timeout": 1.5,
    "leak_after": 0.5,
}
COMMAND_TIMEOUT = 0.6


class WatchedEchoPool(Watched, EchoPool):
    """The plain pool under test."""


class WatchedEppPool(Watched, EppPool):
    """The pool of sessions under test."""


def echo_pool(server: EchoServer) -> WatchedEchoPool:
    """Return a pool of clients of `server`."""
    return WatchedEchoPool(
        12,
        port=server.port,
        patience=COMMAND_TIMEOUT,
        min_size=4,
        burst_limit=16,
        max_connecting=4,
        name="echo",
        **_OPTIONS,
    )


def epp_pool(registry: EppRegistry) -> WatchedEppPool:
    """Return a pool of sessions with `registry`."""
    return WatchedEppPool(
        6,
        **registry.pool_arguments(),
        command_timeout=COMMAND_TIMEOUT,
        min_size=3,
        burst_limit=8,
        name="epp",
        **_OPTIONS,
    )


@dataclass
class Former:
    """A pool that was replaced: closed, or let go of without a word (`pool` is None then)."""

    kind: str
    book: Book
    reference: weakref.ref[Any]
    pool: Any
    stats: PoolStats | None = None  # its last figures


@dataclass
class Stage:
    """Everything that takes part in a run."""

    registry: EppRegistry
    server: EchoServer
    chance: random.Random
    make: dict[str, Callable[[Any], Any]]
    tally: Tally = field(default_factory=Tally)
    pools: dict[str, Any] = field(default_factory=dict)
    former: list[Former] = field(default_factory=list)
    resting: bool = False  # callers and trouble come to an end
    names: Any = field(default_factory=lambda: map("mine-{}.test".format, count(1)))

    def open_pools(self) -> None:
        """Make the two pools."""
        for kind in KINDS:
            self.pools[kind] = self.new_pool(kind)

    def new_pool(self, kind: str) -> Any:
        """Return a new pool of this kind."""
        return self.make[kind](self.registry if kind == "epp" else self.server)

    def replace(self, kind: str, *, closed: bool) -> Any:
        """Put a new pool in the place of one, which the caller of this closes or lets go of."""
        old = self.pools[kind]
        self.pools[kind] = self.new_pool(kind)
        kept = old if closed else None
        self.former.append(Former(kind, old.book, weakref.ref(old), kept))
        return old

    def everybody(self) -> list[Any]:
        """Return the pools that may have something open: those in place and those replaced."""
        return [*self.pools.values(), *filter(None, (gone.reference() for gone in self.former))]
