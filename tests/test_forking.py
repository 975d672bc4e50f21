"""Promise 8: a forked child opens its own connections and never touches the parent's."""

from __future__ import annotations

import gc
import os

import gevent
import pytest
from forks import PlainPool, TcpPool, TlsPool, ask, in_child
from gevent.event import Event
from peers import echo, tls_echo
from pools import hold

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


def test_a_lease_without_a_socket_that_a_child_inherited_is_not_lent_there():
    with echo() as peer, PlainPool(1, timeout=5) as pool:
        pool.wait_until_ready(5)
        with pool.get():
            pass
        lease = pool.get()  # in the same pass of the loop
        inherited = lease.__enter__()

        def child():
            lease.__exit__(None, None, None)
            with pool.get() as connection:
                return connection is inherited

        assert in_child(child, peer) is False
        lease.__exit__(None, None, None)


def test_a_child_that_uses_the_pool_fills_it_and_probes():
    with echo() as peer, TcpPool(3, peer, keepalive=0.05) as pool:
        pool.wait_until_ready(5)

        def child():
            ask(pool, b"child")
            pool.wait_until_ready(5)
            with gevent.Timeout(5):
                while not pool.stats().keepalives:
                    gevent.sleep(0.01)
            return pool.stats().keepalive_failures

        assert in_child(child, peer) == 0


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


def test_a_child_that_asks_while_its_parent_connects_connects_itself():
    class Slow(TcpPool):
        def _new_connection(self) -> object:
            connection = super()._new_connection()
            gevent.sleep(0.1)
            return connection

    with echo() as peer, Slow(1, peer) as pool:
        gevent.sleep(0.05)

        def child():
            reply = ask(pool, b"child").decode()
            gevent.sleep(0.2)
            stats = pool.stats()
            return [reply, stats.open, stats.opening, stats.connect_errors]

        assert in_child(child, peer) == ["child", 1, 0, 0]
        assert ask(pool, b"parent") == b"parent"


@pytest.mark.parametrize("how", ["keepalive", "check_after"])
def test_a_probe_that_was_under_way_is_the_parents_alone(how):
    begun, ended = Event(), []

    class Slow(TcpPool):
        def _keepalive(self, c) -> None:
            begun.set()
            gevent.sleep(0.2)
            ended.append(c)

    with echo() as peer, Slow(1, peer, **{how: 0.05}) as pool:
        pool.wait_until_ready(5)
        asking = gevent.spawn_later(0.06, ask, pool, b"?") if how == "check_after" else None
        assert begun.wait(5)

        def child():
            gevent.sleep(0.3)
            return len(ended)

        assert in_child(child, peer) == 0
        assert ended
        assert ask(pool, b"parent") == b"parent"
        assert asking is None or asking.get() == b"?"


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


@pytest.mark.parametrize("error", [OSError("down"), LookupError("refused")])
def test_a_parents_failing_connects_do_not_keep_its_child_waiting(error):
    with echo() as peer:

        class Down(TcpPool):
            down = True

            def _new_connection(self) -> object:
                if self.down:
                    raise error
                return super()._new_connection()

        with Down(1, peer, fatal_exc_classes=LookupError) as pool:
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


def test_the_figures_of_a_child_are_its_own_from_the_first_moment():
    with echo() as peer, TcpPool(2, peer) as pool:
        with pool.get() as connection:
            pool.discard(connection)
        pool.wait_until_ready(5)

        def child():
            stats = pool.stats()
            return [stats.opened, sum(stats.closed.values()), stats.open, stats.requests]

        assert in_child(child, peer) == [0, 0, 0, 0]


class SlowClose:
    """Closes when it is told to."""

    def __init__(self, *args, **options) -> None:
        self.begun, self.go_on, self.closed = Event(), Event(), []
        super().__init__(*args, **options)

    def _close_connection(self, c) -> None:
        self.begun.set()
        self.go_on.wait()
        c.close()
        self.closed.append(os.getpid())


class Unconnected:
    def close(self) -> None:
        pass


def test_a_close_that_was_under_way_is_the_parents_alone():
    class Slow(SlowClose, TcpPool):
        pass

    with echo() as peer, Slow(1, peer) as pool, gevent.Timeout(5):
        ask(pool, b"before")
        with pool.get() as connection:
            pool.discard(connection)
        pool.begun.wait()

        def child():
            pool.go_on.set()
            gevent.sleep(0.1)
            return [pool.closed, connection.fileno() >= 0, pool.stats().opened]

        assert in_child(child, peer) == [[], True, 0]
        pool.go_on.set()
        while not pool.closed:
            gevent.sleep(0.01)
        assert pool.closed == [os.getpid()]


@pytest.mark.parametrize("use", [lambda pool: hold(pool, 0), lambda pool: pool.close()])
def test_a_child_that_uses_the_pool_leaves_a_close_that_was_under_way_to_its_parent(use):
    class Slow(SlowClose, PlainPool):
        def _new_connection(self) -> object:
            return Unconnected()

    with echo() as peer, Slow(1, timeout=5) as pool, gevent.Timeout(5):
        pool.wait_until_ready(5)
        pool.discard(pool.conn[0])
        pool.begun.wait()

        def child():
            pool.go_on.set()
            with gevent.Timeout(5):
                use(pool)
            gevent.sleep(0.1)
            return pool.closed

        assert in_child(child, peer) == []
        pool.go_on.set()


def test_a_child_that_closes_the_pool_closes_the_descriptors_that_it_inherited():
    with echo() as peer, TcpPool(2, peer) as pool:
        pool.wait_until_ready(5)
        sockets = list(pool.conn)

        def child():
            pool.close()
            return [sock.fileno() for sock in sockets]

        assert in_child(child, peer) == [-1, -1]


def test_a_child_goes_on_though_an_inherited_socket_cannot_be_closed():
    class Stuck:
        def __init__(self, sock):
            self.fileno = sock.fileno

        def close(self):
            raise OSError("not this one")

    class Wrapped(TcpPool):
        def _socket(self, c):
            return Stuck(c)

    with echo() as peer, Wrapped(2, peer) as pool:
        pool.wait_until_ready(5)
        assert in_child(lambda: ask(pool, b"child").decode(), peer) == "child"


def test_a_child_does_not_finalize_what_it_inherited():
    finalized = []

    class Chatty:
        def __del__(self):
            finalized.append("would say goodbye")

    class ChattyPool(PlainPool):
        def _new_connection(self) -> object:
            return Chatty()

    with echo() as peer, ChattyPool(1, timeout=5) as pool:
        pool.wait_until_ready(5)

        def child():
            with pool.get():
                gc.collect()
            return finalized

        assert in_child(child, peer) == []
