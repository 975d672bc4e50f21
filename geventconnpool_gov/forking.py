"""What must a child process not touch?

After a fork the child holds a copy of everything: the greenlets, the timers, and the descriptors
of the parent's connections. Whatever the child writes, the parent's peer answers to the parent. So
at the moment of the fork every pool is marked, and the child's copy of each descriptor is replaced
by an unconnected socket (which sends nothing and harms nobody, while a shutdown or a TLS unwrap
would): the child's copies of greenlets in the middle of a conversation meet an error. The child's
first use of a pool forgets the parent's connections and its waiting callers, and opens its own. A
child that never uses the pool opens nothing.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import TYPE_CHECKING, Any

from .entries import INHERITED
from .errors import PoolError

if TYPE_CHECKING:
    from .core import Core

__all__ = ["let_go", "watch_for_forks"]

_cores: weakref.WeakSet[Core] = weakref.WeakSet()
# Connections whose socket the pool does not know. Never collected: a finalizer might write to them.
_untouchable: list[Any] = []


def watch_for_forks(core: Core) -> None:
    """Have this pool marked in every child process."""
    _cores.add(core)


def _after_fork_in_child() -> None:
    # The event loop may not be whole yet: nothing here uses it, but for ending what would go on
    # reading the parent's replies.
    for core in list(_cores):
        core.forked = True
        core.tally = core.tally.anew()
        core.meter.forget()
        for entry in (*core.ledger.open.values(), *core.closer.under_way.values()):
            entry.fate, entry.simple, entry.quick = INHERITED, False, False
            core.inherited.append(entry)
            if entry.guard is not None:
                entry.guard.cut_off()
        core.ledger.open.clear()
        core.ledger.idle.clear()
        attempts = core.opener.attempts
        connecting = attempts.running.keys() | attempts.reserved
        asking = (*core.prober.under_way, core.upkeep.worker)
        for greenlet in (*connecting, *core.closer.under_way, *asking):
            if hasattr(greenlet, "kill") and not greenlet.dead:
                greenlet.kill(block=False)


def _inherited_call(core: Core) -> PoolError:
    return PoolError(f"{core.title}: this call waited in the process that this one was forked from")


def let_go(core: Core) -> None:
    """In the child: close the inherited descriptors, and begin with an empty account."""
    inherited, core.inherited, core.forked = core.inherited, [], False
    for entry in inherited:
        below: Any = getattr(entry.guard, "socket", None)
        if entry.guard is not None:
            entry.guard.close()
        if hasattr(below, "close"):
            with contextlib.suppress(Exception):
                below.close()
        else:
            _untouchable.append(entry.connection)
    core.ledger.opening = core.ledger.closing = 0
    core.move_in()
    core.pool._lending_home = core.home
    core.tell(core.ledger.dismiss(), lambda: _inherited_call(core))
    core.readiness.tell(lambda: _inherited_call(core))
    core.by_hand.forget()
    core.arming.forget()
    core.closer.forget()
    core.opener.forget()
    core.prober.forget()
    core.upkeep.forget()


os.register_at_fork(after_in_child=_after_fork_in_child)
