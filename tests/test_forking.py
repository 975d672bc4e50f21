"""Promise 8: a forked child opens its own connections and never touches the parent's."""

from __future__ import annotations

import json
import os
import traceback

import gevent
import gevent.socket
import pytest
from peers import echo, tls_echo

from geventconnpool_gov import ConnectionPool


class TcpPool(ConnectionPool):
    SPAWN_FREQUENCY = 0.0

    def __init__(self, size, peer, **options):
        self.peer = peer
        self.said_goodbye = []
        super().__init__(size, timeout=5, **options)

    def _new_connection(self) -> object:
        return gevent.socket.create_connection(self.peer.address)

    def _keepalive(self, c) -> None:
        c.sendall(b"alive?")
        assert c.recv(6) == b"alive?"

    def _close_connection(self, c):
        self.said_goodbye.append(c)
        c.close()


class TlsPool(TcpPool):
    def _new_connection(self) -> object:
        return self.peer.client_context().wrap_socket(
            super()._new_connection(), server_hostname="localhost"
        )


def ask(pool, question):
    with pool.get() as connection:
        connection.sendall(question)
        return connection.recv(100)


def in_child(function, peer):
    """Run a function in a forked child; what it returns. Fails where it raises."""
    reading, writing = os.pipe()
    pid = gevent.os.fork()
    if pid == 0:
        try:
            os.close(reading)
            peer.leave_to_parent()
            answer = {"result": function()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    text = b""
    while part := gevent.os.tp_read(reading, 65536):
        text += part
    os.close(reading)
    gevent.os.waitpid(pid, 0)
    answer = json.loads(text)
    assert "error" not in answer, answer.get("error")
    return answer["result"]


# The fork happens in the middle of pytest, whose threads the child does not need.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

both = pytest.mark.parametrize(("peers", "kind"), [(echo, TcpPool), (tls_echo, TlsPool)])


@both
def test_a_child_opens_its_own_and_the_parents_go_on_working(peers, kind):
    with peers() as peer, kind(2, peer) as pool:
        pool.wait_until_ready(5)
        ask(pool, b"before")

        def child():
            reply = ask(pool, b"child").decode()
            stats = pool.stats()
            gone = len(pool.said_goodbye)
            pool.close()
            return [reply, stats.opened >= 1, stats.requests, gone]

        assert in_child(child, peer) == ["child", True, 1, 0]
        for _ in range(4):
            assert ask(pool, b"parent") == b"parent"
        assert pool.stats().opened == 2


@both
def test_a_child_that_closes_the_pool_or_drops_it_says_nothing_to_the_parents_peer(peers, kind):
    with peers() as peer, kind(2, peer) as pool:
        pool.wait_until_ready(5)

        def child():
            pool.close()
            return len(pool.said_goodbye)

        assert in_child(child, peer) == 0
        assert ask(pool, b"parent") == b"parent"
        assert pool.stats().opened == 2


def test_a_lease_that_a_child_inherited_ends_without_a_trace():
    with echo() as peer, TcpPool(1, peer) as pool:
        lease = pool.get()
        connection = lease.__enter__()

        def child():
            lease.__exit__(None, None, None)
            return [ask(pool, b"child").decode(), len(pool.said_goodbye)]

        assert in_child(child, peer) == ["child", 0]
        connection.sendall(b"still mine")
        assert connection.recv(100) == b"still mine"
        lease.__exit__(None, None, None)


def test_a_child_that_does_not_use_the_pool_opens_nothing_and_probes_nothing():
    with echo() as peer, TcpPool(2, peer, keepalive=0.05) as pool:
        pool.wait_until_ready(5)
        gevent.sleep(0.05)
        accepted = peer.accepted

        def child():
            gevent.sleep(0.2)
            return pool.stats().keepalives

        probes = pool.stats().keepalives
        assert in_child(child, peer) <= probes + 1
        assert peer.accepted == accepted
        assert ask(pool, b"parent") == b"parent"
        assert pool.stats().closed["check_failed"] == 0


def test_a_connect_that_was_under_way_is_the_parents_alone():
    with echo() as peer:

        class Slow(TcpPool):
            def _new_connection(self) -> object:
                connection = super()._new_connection()
                connection.sendall(b"login")
                gevent.sleep(0.1)
                assert connection.recv(100) == b"login"
                return connection

        with Slow(1, peer) as pool:
            gevent.sleep(0.05)

            def child():
                gevent.sleep(0.2)
                return pool.stats().opened

            assert in_child(child, peer) == 0
            assert ask(pool, b"parent") == b"parent"


def test_a_pool_made_before_the_fork_and_not_used_works_in_each_child():
    with echo() as peer, TcpPool(1, peer) as pool:
        assert in_child(lambda: ask(pool, b"one").decode(), peer) == "one"
        assert in_child(lambda: ask(pool, b"two").decode(), peer) == "two"


def test_a_closed_pool_stays_closed_in_a_child():
    from geventconnpool_gov import PoolClosed

    with echo() as peer:
        pool = TcpPool(1, peer)
        pool.wait_until_ready(5)
        pool.close()

        def child():
            with pytest.raises(PoolClosed):
                ask(pool, b"?")

        in_child(child, peer)


def test_a_parents_failing_connects_do_not_keep_its_child_waiting():
    with echo() as peer:

        class Down(TcpPool):
            down = True

            def _new_connection(self) -> object:
                if self.down:
                    raise OSError("down")
                return super()._new_connection()

        with Down(1, peer) as pool:
            gevent.sleep(0.3)
            assert pool.stats().connect_errors > 0

            def child():
                pool.down = False
                reply = ask(pool, b"child").decode()
                return [reply, pool.stats().connect_errors, pool.stats().opening]

            assert in_child(child, peer) == ["child", 0, 0]


@both
def test_a_childs_copy_of_a_conversation_takes_nothing_of_the_parents_reply(peers, kind):
    with peers() as peer, kind(1, peer) as pool:
        pool.wait_until_ready(5)
        replies = []

        def converse():
            with pool.get() as connection:
                connection.sendall(b"one")
                replies.append(connection.recv(100))
                gevent.sleep(0.2)
                connection.sendall(b"two")
                replies.append(connection.recv(100))

        talker = gevent.spawn(converse)
        gevent.sleep(0)
        in_child(lambda: gevent.sleep(0.5), peer)
        talker.join(timeout=5)
        assert replies == [b"one", b"two"]


def test_a_childs_copies_of_waiting_callers_execute_nothing():
    with echo() as peer, TcpPool(1, peer) as pool:
        pool.wait_until_ready(5)
        executed = []

        def order(number):
            with pool.get():
                executed.append(number)

        with pool.get():
            orders = [gevent.spawn(order, n) for n in range(3)]
            gevent.sleep(0)

            def child():
                ask(pool, b"child")
                gevent.sleep(0.1)
                return executed

            assert in_child(child, peer) == []
        gevent.joinall(orders)
        assert executed == [0, 1, 2]


def test_the_figures_of_a_child_add_up_from_the_first_moment():
    with echo() as peer, TcpPool(2, peer) as pool:
        pool.wait_until_ready(5)

        def child():
            stats = pool.stats()
            return [stats.opened - sum(stats.closed.values()), stats.open, stats.requests]

        assert in_child(child, peer) == [0, 0, 0]


def test_a_close_that_was_under_way_is_the_parents_alone():
    closed = []

    class Slow(TcpPool):
        def _close_connection(self, c) -> None:
            gevent.sleep(0.3)
            closed.append(os.getpid())
            c.close()

    with echo() as peer, Slow(1, peer) as pool:
        ask(pool, b"before")
        with pool.get() as connection:
            pool.discard(connection)
        gevent.sleep(0.05)

        def child():
            gevent.sleep(0.1)
            return [len(closed), connection.fileno() >= 0]

        assert in_child(child, peer) == [0, True]
        gevent.sleep(0.4)
        assert closed == [os.getpid()]
