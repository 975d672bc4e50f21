"""What happens to a connection between its opening and its close?

The pool behind the face: `ConnectionPool` offers the interface, `Core` runs it. The account is
`ledger`'s; connects are `opening`'s; closes are `closing`'s; this module moves connections between
callers. Its rule: the account changes first, and whatever may run somebody else's code comes
after, when the account is whole.
"""

from __future__ import annotations

import itertools
import random
import weakref
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original

from . import clock
from .arming import Arming
from .closing import Closer
from .entries import DISCARDED, RENOUNCED, RETIRED, Entry, Waiter
from .errors import PoolClosed, PoolError, WrongThread
from .forking import let_go, watch_for_forks
from .health import Guard
from .hooks import GONE, Hooks, log, overridden
from .ledger import Ledger
from .metering import Meter
from .opening import Opener
from .options import Options, count
from .probing import Prober
from .readiness import Readiness
from .statistics import Tally
from .upkeep import Upkeep
from .waiting import wake

__all__ = ["Core"]

_RLock = get_original("_thread", "RLock")
_get_ident = get_original("_thread", "get_ident")


class Core:
    """The machinery of one pool."""

    __slots__ = (
        "__weakref__",
        "_kind",
        "_pool",
        "_serials",
        "arming",
        "by_hand",
        "closer",
        "forked",
        "home",
        "hub",
        "inherited",
        "ledger",
        "manual",
        "meter",
        "monotonic",
        "opener",
        "options",
        "prober",
        "readiness",
        "resets",
        "speaks_first",
        "started",
        "tally",
        "thread",
        "upkeep",
    )

    def __init__(self, pool: Hooks) -> None:
        # Weakly, so that a pool that nobody holds is collected at once, without its connections
        # being part of a cycle whose finalizers run in any order. A lease holds its pool.
        self._pool = weakref.ref(pool)
        self._kind = type(pool).__name__
        self.ledger = Ledger()
        self.monotonic = clock.monotonic
        self.move_in()
        self.hub: Any = None
        self.options = Options(size=0, min_size=0)
        self.started = False
        self.manual = False  # by a subclass that never called `ConnectionPool.__init__`
        self.by_hand: Any = None  # what subclasses hold in their own hands; see `subclassing`
        self.forked = False  # this is a child process that has not used the pool yet
        self.inherited: list[Entry] = []  # the parent process's connections
        self.speaks_first = False
        self.arming = Arming()
        self.tally = Tally()
        self.meter = Meter(self)
        self.opener = Opener(self)
        self.closer = Closer(self)
        self.upkeep = Upkeep(self)
        self.prober = Prober(self)
        self.readiness = Readiness(self)
        self.resets = overridden(pool, "_reset")
        self._serials = itertools.count(1)
        watch_for_forks(self)

    @property
    def pool(self) -> Hooks:
        """The pool, or what stands in for one that has been collected."""
        pool = self._pool()
        return GONE if pool is None else pool

    def move_in(self) -> None:
        """Belong to the current thread from now on, and to its hub."""
        self.home = _RLock()  # held for ever: only the thread that did so owns it; see `lease`
        self.home.acquire()
        self.thread = _get_ident()

    def arrange_lending(self, pool: Hooks) -> None:
        """Have the common way of a return, in `lease`, do what the settings ask for."""
        ledger = self.ledger
        # A busy caller may never let the loop turn: what ends a lifetime then is the clock.
        plain = self.options.max_lifetime is None and not ledger.lifo
        pool._lending_clock = None if plain else self.monotonic
        self.meter.light = not (self.resets or self.tally.told or ledger.limit > ledger.size)
        pool._lending_stow = ledger.idle.appendleft if ledger.lifo else ledger.idle.append

    # -- starting

    def start(self, options: Options) -> None:
        """Begin to work with these settings. Does not switch."""
        self.options = options
        ledger = self.ledger
        ledger.set_limits(options.size, options.min_size, options.burst_limit or options.size)
        ledger.lifo = options.lifo
        self.started = True
        self._begin()

    def _begin(self) -> None:
        self.hub = gevent.get_hub()
        self.arrange_lending(self.pool)
        self.upkeep.start()
        self.opener.warm_up()

    def start_by_hand(self) -> None:
        """Begin to work for a subclass that never called `ConnectionPool.__init__`.

        It set `size` itself and opens what it wants by `_addOne`; `min_size` counts how many.
        """
        if self.ledger.size < 1:
            raise PoolError("the pool has no size: call ConnectionPool.__init__, or set `size`")
        self.options = Options(size=self.ledger.size, min_size=0)
        self.started = self.manual = True
        self.hub = gevent.get_hub()
        self.arrange_lending(self.pool)

    def set_size(self, size: Any) -> None:
        """Take the size that a subclass sets by hand, before the pool begins to work.

        Raises:
            AttributeError: the pool works already.
        """
        size = count("size", size, least=1)
        if self.started and size != self.ledger.size:
            raise AttributeError(
                f"size is {self.ledger.size} and cannot be set any more, to {size}"
            )
        self.ledger.set_limits(size, self.ledger.min_size, size)

    def must_be_home(self) -> None:
        """Check that this is the thread whose hub the pool belongs to.

        Raises:
            WrongThread: it is another.
        """
        if not self.home._is_owned() and not self.forked:
            raise WrongThread(
                f"{self.title} belongs to thread {self.thread} and its hub, and was used from "
                f"thread {_get_ident()}; make a pool in each thread"
            )

    def ready_here(self) -> None:
        """Check that the pool works, and begin where it has not begun yet.

        Raises:
            WrongThread, PoolClosed: it does not.
        """
        self.must_be_home()
        if self.forked:
            let_go(self)
            if self.started and not self.ledger.shut:
                self._begin()
        if not self.started:
            self.start_by_hand()
        if self.ledger.shut:
            raise PoolClosed(f"{self.title} is closed")

    # -- between callers

    def give_back(self, entry: Entry, now: float | None = None) -> None:
        """End a lease normally: to the longest waiter, or to idle. Does not switch."""
        fate, ledger = entry.fate, self.ledger
        if fate is None and not ledger.shut:
            now = self.monotonic() if now is None else now
            entry.idle_since = entry.proved_at = entry.lent_at = now
            entry.leaked = False
            if now >= entry.expires_at:
                self.retire(entry, entry.ending)
            elif len(ledger.open) > ledger.limit:
                self.retire(entry, "drained")
            elif len(ledger.open) > ledger.size and not (ledger.waiting or ledger.owed):
                self.retire(entry, "burst")
            elif ledger.waiters:
                self._hand_on(entry, ledger.put_back(entry))
            else:
                ledger.stow(entry)
                if entry.guard is None and self.meter.light:
                    self.meter.trust(entry)
                at = self.upkeep.at
                due_earlier = entry.expires_at < at or now + self.upkeep.soonest < at
                if due_earlier or entry.guard is not None:
                    self._hand_on(entry, None)
        elif fate is None or fate is DISCARDED:
            self.retire(entry, "discarded" if fate else "shutdown")
        elif fate is RENOUNCED:
            entry.fate = RETIRED
            self.closer.begin_unaccounted(entry)

    def put_aside(self, entry: Entry) -> None:
        """End a probe's lease: it proved alive, but it was not used. Does not switch."""
        if entry.fate is not None or self.ledger.shut:
            self.give_back(entry)
            return
        entry.proved_at = clock.monotonic()
        self._hand_on(entry, self.ledger.put_aside(entry))

    def _hand_on(self, entry: Entry, waiter: Waiter | None) -> None:
        if waiter is not None:
            wake((waiter,))
        elif entry.guard is not None and not entry.guard.arm():
            self.retire(entry, "broken")
        else:
            self.upkeep.idles(entry)

    def retire(self, entry: Entry, reason: str) -> None:
        """Take an open connection out of service and close it. Does not switch."""
        if self.ledger.retire(entry):
            self.meter.ends(entry)
        self.put_away(entry, reason)
        self.opener.pump()

    def put_away(self, entry: Entry, reason: str) -> None:
        """Close a connection that the ledger has retired. Does not switch."""
        entry.fate, entry.plain, entry.simple = RETIRED, False, False
        self.opener.gone(entry)
        self.tally.closed[reason] += 1
        if entry.guard is not None:
            entry.guard.close()
        self.closer.begin(entry)
        log.debug("%s: closing %r: %s", self.title, entry, reason)  # a handler may switch

    def renounce(self, entry: Entry) -> None:
        """Take a connection out of the account for a subclass that took it in its own hands."""
        if self.ledger.renounce(entry):
            self.meter.ends(entry)
        entry.fate, entry.plain, entry.simple = RENOUNCED, False, False
        self.opener.gone(entry)
        self.tally.closed["discarded"] += 1
        if entry.guard is not None:
            entry.guard.close()

    def discard(self, connection: Any) -> None:
        """See `ConnectionPool.discard`."""
        self.must_be_home()
        entry = self.ledger.find(connection)
        if entry is None:
            if self.ledger.shut:
                return  # close() may have taken it from its caller, who cannot know
            raise ValueError(f"not a connection of {self.title}: a {type(connection).__name__}")
        if entry in self.ledger.idle:
            self.retire(entry, "discarded")
        elif entry.fate is None:
            entry.fate, entry.simple = DISCARDED, False

    def peer_stirred(self, entry: Entry) -> None:
        """The peer of an idle connection closed, or sent something. Called by its guard."""
        if self.forked or entry.fate is not None or entry not in self.ledger.idle:
            return
        if not entry.guard.alive():
            self.retire(entry, "peer_closed")
        elif entry.guard.quiet():
            entry.guard.arm()

    # -- opening

    def new_entry(self, connection: Any) -> Entry:
        """The record of a new connection, not in the account yet."""
        entry = Entry(connection, next(self._serials))
        entry.guard = Guard.over(self._socket_below(connection), entry, self)
        if self.options.max_lifetime is not None:
            # Drawn once: drawing at each look would favour the early end, and defeat itself.
            lifetime = self.options.max_lifetime * random.uniform(0.9, 1.0)
            entry.expires_at = clock.monotonic() + lifetime
        return entry

    def _socket_below(self, connection: Any) -> Any:
        try:
            return self.pool._socket(connection)
        except Exception:
            if overridden(self.pool, "_socket"):
                raise  # it was asked, and failed
            return None  # an object that cannot be asked whether it has a `fileno`

    def welcome(self, entry: Entry) -> None:
        """Put a connection that was just opened to use. Does not switch."""
        self.give_back(entry)
        self.opener.replaced()
        if self.options.idle_timeout is not None:
            self.upkeep.rearm()  # more are open than before: others may have idled long enough
        self.tell_if_ready()

    def tell_if_ready(self) -> None:
        """Wake those who wait until `min_size` are open, if that is so. Does not switch."""
        if len(self.ledger.open) >= self.ledger.min_size:
            self.readiness.tell()

    def tell(self, waiters: list[Waiter], error: Callable[[], BaseException]) -> None:
        """Wake dismissed waiters, each with an error of its own. Does not switch."""
        for waiter in waiters:
            waiter.error = error()
        wake(waiters)

    # -- figures

    @property
    def title(self) -> str:
        """What log lines and errors call this pool."""
        return f"pool {self.options.name!r}" if self.options.name else self._kind

    def figures(self) -> str:
        """The account in one line."""
        ledger = self.ledger
        return (
            f"size {ledger.size}, open {len(ledger.open)}, in use {ledger.in_use}, "
            f"idle {len(ledger.idle)}, opening {ledger.opening}, waiting {ledger.waiting}"
            + (f", closing {ledger.closing}" if ledger.closing else "")
        )
