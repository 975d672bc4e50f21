"""What do callers do with a pool? Everything that the interface allows, by chance."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gevent

from geventconnpool_gov import PoolError
from geventconnpool_gov.epp import CommandError, PollRequest, TransportError
from soak.exchanges import change, exchange, judge, query
from soak.stage import Stage

#: What a caller must reckon with.
EXPECTED = (OSError, PoolError, TransportError, CommandError, gevent.Timeout)


class ChangeOfMindError(Exception):
    """A caller's own error, which says nothing about the connection."""


def call(stage: Stage, act: Callable[[Stage], object] | None = None) -> None:
    """Make one call, and count how it ended."""
    tally = stage.tally
    if act is None:
        (act,) = stage.chance.choices(ACTS, list(_OFTEN.values()))
    tally.begun += 1
    try:
        act(stage)
    except gevent.GreenletExit:
        tally.failed["killed"] += 1
        raise
    except ChangeOfMindError:
        pass
    except EXPECTED as error:
        tally.failed[type(error).__name__] += 1
    except Exception as error:
        tally.unheard_of.append(f"{act.__name__} ended in {type(error).__name__}: {error}")
    finally:
        tally.ended += 1


# -- with the echo server


def ask(stage: Stage, **get: float) -> None:
    with stage.pools["echo"].get(**get) as client:
        for _ in range(stage.chance.randint(1, 4)):
            exchange(stage, client)


def ask_without_patience(stage: Stage) -> None:
    ask(stage, timeout=stage.chance.choice([0, 0.002, 0.05]))


def ask_before_a_deadline(stage: Stage) -> None:
    with gevent.Timeout(stage.chance.uniform(0.0002, 0.02)):
        ask(stage)


def ask_and_discard(stage: Stage) -> None:
    pool = stage.pools["echo"]
    with pool.get() as client:
        exchange(stage, client)
        pool.discard(client)


def walk_away(stage: Stage) -> None:
    """Leave a reply on its way, and an error that does not tell."""
    with stage.pools["echo"].get() as client:
        client.send(next(stage.names))
        raise ChangeOfMindError


def change_the_mind(stage: Stage) -> None:
    with stage.pools["echo"].get() as client:
        exchange(stage, client)
        raise ChangeOfMindError


def hold(stage: Stage) -> None:
    """Keep a connection for longer than `leak_after`, at times."""
    with stage.pools["echo"].get() as client:
        exchange(stage, client)
        gevent.sleep(stage.chance.uniform(0.01, 0.6))
        exchange(stage, client)


def end_in_a_thread(stage: Stage) -> None:
    """End a lease where a foreign thread would, as with a generator that is collected there."""
    lease = stage.pools["echo"].get()
    client = lease.__enter__()
    try:
        exchange(stage, client)
        end = gevent.get_hub().threadpool.spawn(lease.__exit__, None, None, None)
    except BaseException:
        lease.__exit__(*sys.exc_info())
        raise
    end.get()


def borrow_by_hand(stage: Stage) -> None:
    """Borrow as subclasses that were written for upstream do."""
    pool = stage.pools["echo"]
    call = pool.book.arrive(1.0)
    try:
        pool.lock.acquire(timeout=1.0)
        client = pool.conn.popleft()
    except BaseException as error:
        pool.book.refuse(call, error)
        raise
    pool.book.serve(call, client)
    try:
        exchange(stage, client)
    except BaseException:
        pool.discard(client)
        raise
    finally:
        pool.book.end(client)
        pool.conn.append(client)


def take_for_good(stage: Stage) -> None:
    """Take an idle connection out of the pool; it is the caller's to close then."""
    pool = stage.pools["echo"]
    if len(pool.conn):
        client = pool.conn[0]
        pool.conn.remove(client)
        try:
            exchange(stage, client)
        finally:
            client.close()


# -- with the registry


def query_by_the_pool(stage: Stage) -> None:
    query(stage, stage.pools["epp"].send)


def change_by_the_pool(stage: Stage) -> None:
    change(stage, stage.pools["epp"].send)


def change_before_a_deadline(stage: Stage) -> None:
    with gevent.Timeout(stage.chance.uniform(0.0005, 0.03)):
        change_by_the_pool(stage)


def converse(stage: Stage) -> None:
    """Send several commands over one session."""
    with stage.pools["epp"].get() as client:
        for step in stage.chance.choices([query, change], k=3):
            step(stage, client.send)


def poll(stage: Stage) -> None:
    reply = stage.pools["epp"].send(PollRequest())
    judge(stage, reply, "poll", reply.code in (1300, 1301))


def query_and_discard(stage: Stage) -> None:
    pool = stage.pools["epp"]
    with pool.get() as client:
        query(stage, client.send)
        pool.discard(client)


def nest(stage: Stage) -> None:
    """Hold a session, and ask the echo server meanwhile."""
    with stage.pools["epp"].get(timeout=1.0) as session:
        query(stage, session.send)
        ask(stage, timeout=1.0)
        query(stage, session.send)


def wait_until_ready(stage: Stage) -> None:
    stage.pools[stage.chance.choice(["echo", "epp"])].wait_until_ready(timeout=0.5)


_OFTEN: dict[Callable[[Stage], None], int] = {
    ask: 30,
    query_by_the_pool: 24,
    change_by_the_pool: 12,
    converse: 12,
    nest: 6,
    ask_without_patience: 6,
    ask_before_a_deadline: 4,
    change_before_a_deadline: 3,
    borrow_by_hand: 4,
    hold: 4,
    poll: 3,
    change_the_mind: 3,
    walk_away: 2,
    ask_and_discard: 2,
    query_and_discard: 2,
    end_in_a_thread: 2,
    wait_until_ready: 1,
    take_for_good: 1,
}
ACTS = list(_OFTEN)
