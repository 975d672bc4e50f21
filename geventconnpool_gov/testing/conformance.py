"""Does a pool keep the promises that an application leans on?

In a test file of yours::

    from geventconnpool_gov.testing.conformance import conformance

    test_my_pool = conformance(make_pool)

which is one pytest test for each of `PROMISES`. ``make_pool(connect, size)`` returns a new pool, as
`geventconnpool_gov.protocol.Pool` has it, of at most ``size`` connections. The pool opens one by
``connect()``, which may raise an `OSError` or not return, and closes it by its ``close()``.

Everything waits by way of gevent. A pool of the standard library's locks and queues needs them
patched: ``python -m gevent.monkey --module pytest``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from typing import Any

import gevent

from geventconnpool_gov.protocol import Pool

from .peer import BRIEF, LONG, Connection, Peer, soon

__all__ = ["PROMISES", "Connection", "MakePool", "Peer", "conformance"]

MakePool = Callable[[Callable[[], Connection], int], Pool[Connection]]
Promise = Callable[[MakePool], None]


def conformance(
    make_pool: MakePool, clock: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Callable[[Promise], None]:
    """Return a pytest test that asks the pools of `make_pool` for every promise.

    Args:
        make_pool: returns a new pool for a connect function and a size.
        clock: `virtual_time`, where the pool takes time from gevent alone; the default is real
            time, and then all promises together take a few seconds.
    """
    import pytest

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: str(promise.__name__))
    def test(promise: Promise) -> None:
        with clock():
            promise(make_pool)

    return test


def lends_an_open_connection_to_one_caller_at_a_time(make_pool: MakePool) -> None:
    """Whatever its callers do, no connection has two of them, and no closed one is lent."""
    with _trial(make_pool, 2) as (pool, peer):
        holders: list[Connection] = []

        def borrow(number: int) -> None:
            with pool.get(timeout=LONG) as connection:
                assert not connection.closed, "a closed connection was lent"
                assert connection not in holders, "a connection was lent twice at a time"
                holders.append(connection)
                gevent.sleep(BRIEF / 20)
                holders.remove(connection)
                if number % 5 == 0:
                    pool.discard(connection)
                if number % 7 == 0:
                    raise ConnectionResetError("by the test")

        def borrow_often(first: int) -> None:
            for number in range(first, first + 5):
                with suppress(ConnectionResetError):
                    borrow(number)

        _all([gevent.spawn(borrow_often, first) for first in range(6)])
        assert peer.most_open <= 2, f"{peer.most_open} connections were open, and 2 allowed"


def lends_again_what_came_back(make_pool: MakePool) -> None:
    """A connection that served one caller serves the next."""
    with _trial(make_pool) as (pool, peer):
        for _ in range(3):
            assert _borrowed(pool) is peer.opened[0], "a good connection was not used again"


def serves_who_waits_when_a_connection_comes_back(make_pool: MakePool) -> None:
    """A caller who finds everything lent is served by whoever gives back."""
    with _trial(make_pool) as (pool, _):
        with pool.get(timeout=LONG) as connection:
            waiter = gevent.spawn(_borrowed, pool)
            gevent.sleep(BRIEF)
            assert not waiter.ready(), "a connection was lent twice at a time"
        _all([waiter])
        assert waiter.value is connection, "a good connection was not used again"


def tells_in_time_that_there_is_none(make_pool: MakePool) -> None:
    """A `get` that has waited for its timeout raises `timeout_error`, and loses nothing."""
    with _trial(make_pool) as (pool, _):
        assert not issubclass(pool.timeout_error, OSError), "timeout_error is an OSError"
        with pool.get(timeout=LONG):
            _raises(pool.timeout_error, pool, BRIEF)
        _borrowed(pool)


def a_connect_that_hangs_holds_nobody_longer_than_asked(make_pool: MakePool) -> None:
    """The timeout of `get` bounds the wait for a connect too."""
    with _trial(make_pool, connects=[LONG * 100]) as (pool, _):
        _raises(pool.timeout_error, pool, BRIEF)


def a_failed_connect_costs_no_capacity(make_pool: MakePool) -> None:
    """When the peer answers again, there are connections again; until then, errors or a wait."""
    failures: list[Any] = [ConnectionRefusedError("by the test") for _ in range(3)]
    with _trial(make_pool, connects=failures) as (pool, peer):
        for _ in range(4):
            with suppress(ConnectionRefusedError):
                _borrowed(pool)
        assert _borrowed(pool) in peer.opened, "this is no connection of the peer"


def an_interrupted_wait_costs_no_capacity(make_pool: MakePool) -> None:
    """A caller who is killed, or whose own time limit ends, while it waits, takes nothing along."""
    with _trial(make_pool) as (pool, _):
        with pool.get(timeout=LONG):
            waiter = gevent.spawn(_borrowed, pool)
            gevent.sleep(BRIEF)
            waiter.kill()
            with suppress(gevent.Timeout), gevent.Timeout(BRIEF):
                _borrowed(pool)
                raise AssertionError("a connection was lent twice at a time")
        _borrowed(pool)


def an_interrupted_use_closes_its_connection(make_pool: MakePool) -> None:
    """After a kill or a `gevent.Timeout` in use, nobody gets what is left of the reply."""
    for interrupt in (gevent.Timeout(), gevent.GreenletExit()):
        with _trial(make_pool) as (pool, _):
            _replaced_after(pool, interrupt)


def a_broken_connection_is_closed(make_pool: MakePool) -> None:
    """After an `OSError` in use, the caller has the error and the next one another connection."""
    with _trial(make_pool) as (pool, _):
        _replaced_after(pool, ConnectionResetError("by the test"))


def an_error_of_the_application_costs_no_capacity(make_pool: MakePool) -> None:
    """Any other exception reaches the caller, and the pool goes on."""
    with _trial(make_pool) as (pool, _):
        _leave(pool, ValueError("of the application"))
        _borrowed(pool)


def a_discarded_connection_is_closed(make_pool: MakePool) -> None:
    """What its user calls unfit is closed when the lease ends, and another one is lent."""
    with _trial(make_pool) as (pool, _):
        with pool.get(timeout=LONG) as unfit:
            pool.discard(unfit)
        soon(lambda: unfit.closed, "the discarded connection is closed")
        assert _borrowed(pool) is not unfit, "the discarded connection was lent again"


def a_closed_pool_lends_nothing_and_leaves_nothing_open(make_pool: MakePool) -> None:
    """`close` closes what is idle; what is lent is closed when it comes back."""
    with _trial(make_pool, 2) as (pool, peer):
        with pool.get(timeout=LONG):
            with suppress(pool.timeout_error), pool.get(timeout=BRIEF):
                pass  # so that there is an idle one, where the pool has so many
            end = gevent.spawn(pool.close)
            gevent.sleep(BRIEF)
            _raises(Exception, pool, BRIEF)
        _all([end])
        soon(lambda: not peer.open, "every connection is closed")
        _raises(Exception, pool, BRIEF)


PROMISES: tuple[Promise, ...] = (
    lends_an_open_connection_to_one_caller_at_a_time,
    lends_again_what_came_back,
    serves_who_waits_when_a_connection_comes_back,
    tells_in_time_that_there_is_none,
    a_connect_that_hangs_holds_nobody_longer_than_asked,
    a_failed_connect_costs_no_capacity,
    an_interrupted_wait_costs_no_capacity,
    an_interrupted_use_closes_its_connection,
    a_broken_connection_is_closed,
    an_error_of_the_application_costs_no_capacity,
    a_discarded_connection_is_closed,
    a_closed_pool_lends_nothing_and_leaves_nothing_open,
)


@contextmanager
def _trial(
    make_pool: MakePool, size: int = 1, connects: list[Any] | None = None
) -> Iterator[tuple[Pool[Connection], Peer]]:
    """Give a new pool and its peer for one trial, which must end, and close the pool after it."""
    peer = Peer(connects or [])
    limit = gevent.Timeout(3 * LONG)
    try:
        with limit, closing(make_pool(peer.connect, size)) as pool:
            yield pool, peer
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise AssertionError("the pool keeps a caller waiting for ever") from None


def _borrowed(pool: Pool[Connection]) -> Connection:
    """Borrow and give back, and return what it was."""
    try:
        with pool.get(timeout=LONG) as connection:
            assert not connection.closed, "a closed connection was lent"
    except pool.timeout_error as error:
        raise AssertionError("no connection, though none is lent") from error
    return connection


def _raises(expected: type[Exception], pool: Pool[Connection], timeout: float) -> None:
    """Borrow, which must end in `expected`, before much more than `timeout` is over."""
    limit, lent = gevent.Timeout(LONG), False
    try:
        with limit, pool.get(timeout=timeout):
            lent = True
    except expected:
        pass
    except gevent.Timeout as error:
        if error is limit:
            raise AssertionError("get waits beyond its timeout") from None
        raise
    assert not lent, "a connection was lent where there is none to lend"


def _leave(pool: Pool[Connection], error: BaseException) -> Connection:
    """Borrow, leave by `error`, which must pass, and return what was lent."""
    try:
        with pool.get(timeout=LONG) as connection:
            raise error
    except BaseException as passed:
        if passed is not error:
            raise
        return connection
    raise AssertionError(f"the pool swallowed {error!r}")


def _replaced_after(pool: Pool[Connection], error: BaseException) -> None:
    unfit = _leave(pool, error)
    soon(lambda: unfit.closed, f"the connection is closed after {error!r}")
    assert _borrowed(pool) is not unfit, f"it was lent again after {error!r}"


def _all(greenlets: list[Any]) -> None:
    """Wait for all, and raise what one of them raised."""
    try:
        gevent.joinall(greenlets, raise_error=True)
    finally:
        gevent.killall(greenlets)
