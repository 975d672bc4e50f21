"""When is looked at what? Under load, a sample each second; at rest, all, until it is in order."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from time import monotonic
from typing import Any

import gevent

from soak import exchanges, watches
from soak.readings import read
from soak.record import Record
from soak.stage import Stage


def sample(here: Stage, record: Record, present: int, lag: float) -> list[str]:
    """Look at everything under load, with `present` callers; return what is broken."""
    broken: list[str] = []
    for kind, pool in here.pools.items():
        stats, ledger = pool.stats(), pool._core.ledger
        broken += watches.named(
            f"the {kind} pool",
            [
                *watches.ledger(ledger),
                *watches.account(stats, pool.book),
                *watches.under_load(stats, ledger.most),
                *watches.fairness(pool.book),
                *watches.overdue(pool.book, lag),
            ],
        )
        record.highest(f"{kind}: callers waiting", stats.waiting)
    reading, connections = read(), sum(map(there, here.everybody()))
    for what in ("descriptors", "greenlets", "timers"):
        record.highest(what, getattr(reading, what))
    broken += watches.too_much(reading, record.base, connections, present)
    return broken + _seen_by_callers(here)


def there(pool: Any) -> int:
    """Return how many connections a pool may have at its peer."""
    stats = pool.stats()
    return int(stats.open + stats.opening + stats.closing)


def rest(here: Stage, record: Record, patience: float) -> None:
    """Wait until everything is in order, or note what is not; take a reading."""
    began = monotonic()
    while (broken := _disorder(here, record)) and monotonic() - began < patience:
        gevent.sleep(0.1)
    tally = here.tally
    if tally.begun != tally.ended:
        broken.append(f"{tally.begun} calls have begun, and {tally.ended} ended")
    broken += watches.changes(tally.changes, here.registry.changes(forget=True))
    tally.changes.clear()
    record.note(broken + _seen_by_callers(here))
    record.settled.append(monotonic() - began)
    gc.collect()
    record.rests.append((record.elapsed / 60, read()))


def _seen_by_callers(here: Stage) -> list[str]:
    tally = here.tally
    broken = [f"a WRONG reply: {each}" for each in tally.wrong]
    broken += [f"an error that no caller should see: {each}" for each in tally.unheard_of]
    broken += [f"an error {each}" for each in tally.unheard]
    for evidence in (tally.wrong, tally.unheard_of, tally.unheard):
        evidence.clear()
    return broken


def _disorder(here: Stage, record: Record) -> list[str]:
    broken: list[str] = []
    for kind, pool in here.pools.items():
        broken += watches.named(f"the {kind} pool", _cannot_be_lent_at_once(here, kind, pool))
    broken += _former_pools(here, record)
    counted = {
        "echo": int(here.server.order("figures")["connections"]),
        "epp": here.registry.connections,
    }
    gc.collect()
    # From here on nothing switches.
    opened = {}
    for kind, pool in here.pools.items():
        stats = pool.stats()
        opened[kind] = int(stats.open)
        broken += watches.named(
            f"the {kind} pool",
            [*watches.account(stats, pool.book), *watches.at_rest(stats, pool.book)],
        )
    broken += watches.peers(opened, counted)
    return broken + watches.left_over(read(), record.base, sum(opened.values()), len(opened))


def _cannot_be_lent_at_once(here: Stage, kind: str, pool: Any) -> list[str]:
    """Borrow all that there is at once and use each; return what went wrong."""
    before = here.tally.right
    try:
        with ExitStack() as leases, gevent.Timeout(5.0):
            clients = [leases.enter_context(pool.get(timeout=3.0)) for _ in range(pool.size)]
            for client in clients:
                if kind == "echo":
                    exchanges.exchange(here, client)
                else:
                    exchanges.query(here, client.send)
    except (Exception, gevent.Timeout) as error:
        return [f"all {pool.size} at once: {type(error).__name__}: {error}"]
    right = here.tally.right - before
    return [] if right == pool.size else [f"only {right} of {pool.size} answered right"]


def _former_pools(here: Stage, record: Record) -> list[str]:
    """Look whether the pools that were replaced have ended, and are collected."""
    broken: list[str] = []
    for former in list(here.former):
        book, stats = former.book, None
        wrong = [f"{len(book.held)} connections are lent still"] if book.held else []
        if former.pool is not None:
            stats = former.pool.stats()
            wrong += [*watches.gone(stats), *watches.account(stats, book)]
        if not wrong:
            former.stats, former.pool = stats or former.stats, None
            gc.collect()
            if former.reference() is not None:
                wrong.append("nobody has it any more, and it is not collected")
            else:
                record.add(former.kind, book, former.stats)
                here.former.remove(former)
        broken += watches.named(f"a former {former.kind} pool", wrong)
    return broken
