"""What must be true? Each watch looks at figures alone, and returns what is broken, in words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import median

from geventconnpool_gov import PoolStats
from geventconnpool_gov.ledger import Ledger
from soak.book import Book
from soak.readings import Reading

ROUNDS = 2.0  # of all connections, at most, may go by the caller who came first
SLACK = 1.5  # seconds that a caller may wait beyond its timeout, on a busy machine
WARM_UP = 1 / 3  # the part of the rests of which memory is not judged
MEMORY_SLOPE = 0.5  # MiB a minute
OBJECT_SLOPE = 500.0  # a minute
ENOUGH_RESTS = 5  # for a slope
LOOSE = 40  # greenlets, timers and descriptors under load that nobody accounts for


def ledger(account: Ledger) -> list[str]:
    """Look whether every unit of capacity is in one place, as the account itself says."""
    try:
        account.check()
    except AssertionError as error:
        return [f"the account: {error}"]
    return []


def account(stats: PoolStats, book: Book) -> list[str]:
    """Look whether the figures add up, and say what the callers saw. True at every moment."""
    told, refused = book.outcomes, stats.requests_refused
    ended = stats.requests_timed_out + stats.requests_rejected + stats.requests_cancelled + refused
    under_way = stats.requests - stats.wait.count - ended
    pairs = {
        "opened less closed, and open": (stats.opened - sum(stats.closed.values()), stats.open),
        "idle and in use, and open": (stats.idle + stats.in_use, stats.open),
        "requests under way, and callers who wait": (under_way, len(book.waiting)),
        "wait.count, and callers served": (stats.wait.count, told["served"]),
        "timed out, and callers told so": (stats.requests_timed_out, told["timed out"]),
        "rejected, and callers told so": (stats.requests_rejected, told["rejected"]),
        "cancelled, and callers interrupted": (stats.requests_cancelled, told["cancelled"]),
    }
    broken = [f"{what}: {a} and {b}" for what, (a, b) in pairs.items() if a != b]
    # Who comes to a pool that is closed already is no request.
    if not told["refused"] <= refused <= told["refused"] + told["closed"]:
        broken.append(f"refused: {refused}, and callers told so: {told}")
    return broken + book.broken


def at_rest(stats: PoolStats, book: Book) -> list[str]:
    """Look whether a pool that nobody uses has all its capacity, and no lease that hangs."""
    broken = []
    if stats.in_use or stats.opening or stats.closing or stats.waiting:
        broken.append(
            f"in use {stats.in_use}, opening {stats.opening}, closing {stats.closing}, "
            f"waiting {stats.waiting}, and nobody is there"
        )
    if not stats.min_size <= stats.open <= stats.size:
        broken.append(f"open {stats.open}, not from {stats.min_size} to {stats.size}")
    if book.held:
        broken.append(f"{len(book.held)} connections are lent, and nobody is there")
    if stats.use.count != book.ended:
        broken.append(f"use.count is {stats.use.count}, and {book.ended} leases have ended")
    return broken


def gone(stats: PoolStats) -> list[str]:
    """Look whether a closed pool has ended."""
    left = stats.open + stats.opening + stats.closing
    return [f"a closed pool has {left} connections left"] if left else []


def under_load(stats: PoolStats, most: int) -> list[str]:
    """Look whether a pool keeps to its limit; `most` is what it had before that was lowered."""
    there = stats.open + stats.opening + stats.closing
    return [] if there <= most else [f"{there} connections, and the limit is {most}"]


def fairness(book: Book) -> list[str]:
    """Look whether somebody who waited was overtaken, again and again."""
    if book.rounds <= ROUNDS:
        return []
    return [f"{book.rounds:.1f} rounds of callers overtook one who had come before them"]


def overdue(book: Book, lag: float = 0.0) -> list[str]:
    """Look whether somebody waits beyond the timeout; `lag`: the loop itself is so late."""
    now = time.monotonic()
    return [
        f"a caller with a timeout of {call.timeout:g} s has waited {now - call.began:.1f} s"
        for call in book.waiting.values()
        if call.timeout is not None and now - call.began > call.timeout + SLACK + lag
    ]


def left_over(reading: Reading, base: Reading, connections: int, pools: int) -> list[str]:
    """Look whether a process at rest holds what it held at first, and the pools' connections."""
    more = reading.less(base)
    broken = []
    if more.descriptors != connections:
        broken.append(f"{more.descriptors} descriptors more, and {connections} connections")
    if more.greenlets > 0:
        broken.append(f"{more.greenlets} greenlets more than at first")
    if more.timers > pools:
        broken.append(f"{more.timers} timers more, and {pools} pools")
    if more.watchers > connections:
        broken.append(f"{more.watchers} watchers more, and {connections} connections")
    return broken


def too_much(reading: Reading, base: Reading, connections: int, callers: int) -> list[str]:
    """Look whether a process under load holds far more than its work explains."""
    more = reading.less(base)
    bounds = {
        "descriptors": (more.descriptors, connections),
        "greenlets": (more.greenlets, callers + 2 * connections),
        "timers": (more.timers, 3 * callers + 4 * connections),
    }
    return [
        f"{count} {what} more than at first, with {callers} callers and {connections} connections"
        for what, (count, bound) in bounds.items()
        if count > bound + LOOSE
    ]


def peers(pools: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    """Look whether each peer counts the connections that its pool has."""
    return [
        f"the {kind} pool has {count} connections, and its peer {counted[kind]}"
        for kind, count in pools.items()
        if counted[kind] != count
    ]


def changes(fates: Mapping[str, str], executed: Mapping[str, int]) -> list[str]:
    """Look whether each change was executed as its caller was told, and none twice."""
    allowed = {"done": (1,), "not done": (0,)}
    return [
        f"{change} is {fates.get(change, 'unheard of')}, and was executed {times} times"
        for change in {**fates, **executed}
        if (times := executed.get(change, 0)) not in allowed.get(fates.get(change, ""), (0, 1))
    ]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median slope between two points (Theil and Sen's), in units of y a unit of x."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0]]
    return median(slopes) if slopes else 0.0


def warmed_up(rests: Sequence[tuple[float, Reading]]) -> Sequence[tuple[float, Reading]]:
    """Return the rests of which memory is judged."""
    return rests[int(len(rests) * WARM_UP) :]


def growth(rests: Sequence[tuple[float, Reading]]) -> list[str]:
    """Look whether memory, or the number of objects, grows from rest to rest; times in minutes."""
    judged = warmed_up(rests)
    if len(judged) < ENOUGH_RESTS:
        return []
    broken = []
    memory = slope([(at, reading.memory) for at, reading in judged])
    objects = slope([(at, float(reading.objects)) for at, reading in judged])
    if memory > MEMORY_SLOPE:
        broken.append(f"memory grows by {memory:.2f} MiB a minute")
    if objects > OBJECT_SLOPE:
        broken.append(f"{objects:.0f} objects a minute are never collected")
    return broken


def named(what: str, broken: Iterable[str]) -> list[str]:
    """Say of what it is that this is broken."""
    return [f"{what}: {each}" for each in broken]
