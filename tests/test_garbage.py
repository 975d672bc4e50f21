"""Promise 8: an abandoned pool is collected, its greenlets end, its connections are closed."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import gevent
import gevent.socket
import pytest
from peers import echo
from pools import Connection, Pool, hold

from geventconnpool_gov import ConnectionPool, PoolError


class Probing(Pool):
    def _keepalive(self, c) -> None:
        pass


def abandoned(make):
    """Make a pool, forget it, and say what is left."""
    pool = make()
    made = pool.made
    reference = weakref.ref(pool)
    del pool
    gc.collect()
    gevent.sleep(0.05)  # its closes end
    gc.collect()
    return reference, made


def test_an_abandoned_pool_is_collected_and_its_connections_are_closed(virtual_clock):
    def make():
        pool = Probing(3, keepalive=30)
        pool.wait_until_ready()
        hold(pool, 0)
        gevent.sleep(100)
        return pool

    reference, made = abandoned(make)
    assert reference() is None
    assert [connection.closed for connection in made] == [1, 1, 1]


def test_a_pool_that_never_could_connect_is_collected(virtual_clock):
    def make():
        pool = Pool(3, connects=[OSError()] * 999)
        gevent.sleep(100)
        return pool

    reference, _ = abandoned(make)
    gevent.sleep(100)  # the timer of its next attempt comes, and finds nobody
    assert reference() is None


def test_a_pool_whose_idle_sockets_are_watched_is_collected():
    class TcpPool(ConnectionPool):
        made = ()

        def _new_connection(self) -> object:
            return gevent.socket.create_connection(peer.address)

    with echo() as peer:

        def make():
            pool = TcpPool(2)
            pool.wait_until_ready(5)
            return pool

        reference, _ = abandoned(make)
        gevent.sleep(0.05)
        assert reference() is None
        assert peer.open == 0


def test_a_lease_keeps_its_pool(virtual_clock):
    def make():
        return Pool(1)

    with make().get() as connection:
        gc.collect()
        gevent.sleep(1)
        assert not connection.closed


def test_a_pool_collected_in_another_thread_closes_what_only_its_hooks_could_name():
    class Client:
        def __init__(self, sock) -> None:
            self.sock = sock

    class Hidden(ConnectionPool):
        def _new_connection(self) -> object:
            sockets.append(gevent.socket.create_connection(peer.address))
            return Client(sockets[-1])

        def _socket(self, c):
            return c.sock

        def _close_connection(self, c) -> None:
            c.sock.close()

    sockets: list[gevent.socket.socket] = []
    with echo() as peer:
        held = [Hidden(1)]
        held[0].wait_until_ready(5)
        gevent.get_hub().threadpool.apply(held.clear)
        gevent.sleep(0.05)
        assert [each.fileno() for each in sockets] == [-1]


class Refusing(Pool):
    """Its connects are refused, after a second in which callers wait."""

    def _new_connection(self) -> Any:
        gevent.sleep(1)
        raise PermissionError("no")


@pytest.mark.parametrize("wait", [lambda pool: hold(pool, 0), Pool.wait_until_ready])
@pytest.mark.parametrize("close", [False, True], ids=["refused", "closed"])
def test_a_caller_who_waited_and_was_refused_leaves_nothing_to_the_collector(
    virtual_clock, wait, close
):
    held = []

    def call():
        local = Connection(0)
        held.append(weakref.ref(local))
        with contextlib.suppress(PoolError):
            wait(pool)

    with Refusing(1, fatal_exc_classes=(PermissionError,)) as pool:
        gc.disable()
        try:
            gevent.spawn(call)
            gevent.sleep(0.5)
            if close:
                pool.close()
            gevent.sleep(10)
            assert [reference() for reference in held] == [None]
        finally:
            gc.enable()


def fail():
    raise OSError("down")


def hang():
    gevent.sleep(60)


def hang_on():
    with contextlib.suppress(gevent.Timeout):
        gevent.sleep(60)


class Failing(Probing):
    """Its keepalives go as a test wants them to, and so do its connects after the first."""

    def __init__(self, how):
        self.how, self.held = how, []
        super().__init__(1, keepalive=5, check_timeout=1, connect_timeout=2)

    def _new_connection(self) -> Any:
        return self._go_wrong() if self.made else super()._new_connection()

    def _keepalive(self, c: Any) -> None:
        self._go_wrong()

    def _go_wrong(self):
        local = Connection(0)
        self.held.append(weakref.ref(local))
        self.how()
        return local


@pytest.mark.parametrize("how", [fail, hang, hang_on])
def test_a_hook_that_goes_wrong_leaves_nothing_to_the_collector(virtual_clock, how):
    gc.disable()
    try:
        with Failing(how) as pool:
            gevent.sleep(20)
            # Not the last: close() may kill it, and gevent in pure Python leaves a cycle then.
            held = pool.held[:-1]
        gevent.sleep(5)
        assert len(held) > 2
        assert [reference() for reference in held] == [None] * len(held)
    finally:
        gc.enable()
