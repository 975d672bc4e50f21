"""Promise 8: an abandoned pool is collected, its greenlets end, its connections are closed."""

from __future__ import annotations

import gc
import weakref

import gevent
from peers import echo
from pools import Pool, hold

from geventconnpool_gov import ConnectionPool


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
