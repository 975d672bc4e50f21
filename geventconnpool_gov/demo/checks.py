"""Did the pool keep its promises? Four checks; each can fail, and each shows its figures.

None takes the pool's word alone: replies are proven by what they say, sessions are counted by the
registry and borrowed all at once, calls are counted by the clients.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

import gevent

from geventconnpool_gov.epp import EppPool
from geventconnpool_gov.testing.epp_queries import info_domain
from geventconnpool_gov.testing.epp_registry import EppRegistry

from .clients import proves
from .tally import Tally

__all__ = ["Check", "calls", "capacity", "replies", "shutdown"]


@dataclass(frozen=True)
class Check:
    """One promise: whether it was kept, and the figures that say so."""

    promise: str
    kept: bool
    figures: str


def replies(tally: Tally) -> Check:
    """Check that every reply was proven to be the caller's own."""
    strangers = len(tally.strangers)
    return Check(
        "Nobody got another's reply",
        not strangers and tally.answered > 0,
        f"{tally.answered:,} replies proven against their commands, {strangers} were a stranger's",
    )


def calls(tally: Tally) -> Check:
    """Check that every call that was not itself interrupted was answered."""
    lost = tally.begun - tally.ended + len(tally.unanswered)
    return Check(
        "Every call was answered",
        lost == 0 and tally.answered > 0,
        f"{tally.begun:,} calls = {tally.answered:,} answered + {tally.killed} killed + "
        f"{tally.timed_out} timed out + {len(tally.strangers)} misled + {lost} lost; "
        f"{tally.retried} sent again",
    )


def capacity(pool: EppPool, registry: EppRegistry, size: int, patience: float) -> Check:
    """Check that the pool is whole again: by its figures, by the registry's, and by using it."""
    began = monotonic()
    problem = _wrong_figures(pool, registry, size)
    while problem and monotonic() - began < patience:
        gevent.sleep(0.02)
        problem = _wrong_figures(pool, registry, size)
    seconds = monotonic() - began
    problem = problem or _cannot_be_lent_at_once(pool, size)
    stats = pool.stats()
    return Check(
        "No session was lost",
        not problem,
        problem
        or f"{stats.opened} opened - {sum(stats.closed.values())} closed = {stats.open} open, all "
        f"idle after {seconds:.2f} s; the registry counts {size} too; all {size} lent at once work",
    )


def shutdown(pool: EppPool, registry: EppRegistry, patience: float) -> Check:
    """Close the pool, then the registry; check that nothing is left of either."""
    logouts = registry.commands.get("logout", 0)
    pool.close(timeout=patience)
    left, logouts = registry.sessions, registry.commands.get("logout", 0) - logouts
    status = registry.stop()
    return Check(
        "Everything is closed",
        left == 0 and status == 0 and pool.stats().open == 0,
        f"{logouts} sessions logged out, the registry counts {left} left, "
        f"its process ended with status {status}",
    )


def _wrong_figures(pool: EppPool, registry: EppRegistry, size: int) -> str:
    stats, sessions = pool.stats(), registry.sessions
    figures = (
        f"open {stats.open} of {size}, idle {stats.idle}, in use {stats.in_use}, opening "
        f"{stats.opening}, waiting {stats.waiting}; the registry counts {sessions}"
    )
    if stats.opened - sum(stats.closed.values()) != stats.open:
        return f"{stats.opened} opened - {sum(stats.closed.values())} closed is not {stats.open}"
    whole = (stats.open, stats.idle, sessions) == (size, size, size)
    quiet = stats.in_use == stats.opening == stats.waiting == 0
    return "" if whole and quiet else figures


def _cannot_be_lent_at_once(pool: EppPool, size: int) -> str:
    try:
        with ExitStack() as leases, gevent.Timeout(5.0):
            clients = [leases.enter_context(pool.get(timeout=2.0)) for _ in range(size)]
            names = [f"last-{number}.test" for number in range(size)]
            answers = [
                client.send(info_domain(name)) for client, name in zip(clients, names, strict=True)
            ]
    except (Exception, gevent.Timeout) as error:
        return f"all {size} sessions at once: {type(error).__name__}: {error}"
    right = sum(map(proves, answers, names))
    return "" if right == size else f"only {right} of {size} sessions answered right"
