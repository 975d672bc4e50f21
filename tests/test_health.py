"""Promise 5: a dead connection is found before a caller finds it. Every peer here is a real one."""

from __future__ import annotations

from pathlib import Path

import gevent
import gevent.socket
import pytest
from gevent.event import AsyncResult, Event
from peers import black_hole, echo, scripted, tls_echo
from pools import Pool, assert_whole, hold

from geventconnpool_gov import ConnectionPool
from geventconnpool_gov.core import Core


class TcpPool(ConnectionPool):
    SPAWN_FREQUENCY = 0.0

    def __init__(self, size, peer, **options):
        self.peer = peer
        super().__init__(size, timeout=5, **options)

    def _new_connection(self) -> object:
        return gevent.socket.create_connection(self.peer.address)


class TlsPool(TcpPool):
    def __init__(self, size, peer, **options):
        self.context = peer.client_context()
        super().__init__(size, peer, **options)

    def _new_connection(self) -> object:
        return self.context.wrap_socket(super()._new_connection(), server_hostname="localhost")


class NumberedPool(TcpPool):
    """Says where the socket is by its descriptor."""

    def _socket(self, c):
        return c.fileno()


def ask(pool, question=b"?"):
    with pool.get() as connection:
        connection.sendall(question)
        return connection.recv(100)


def is_watched(entry):
    return entry.guard._io is not None and entry.guard._io.active


def greet(sock):
    sock.sendall(b"hello")
    while sock.recv(100):
        pass


KINDS = [(echo, TcpPool), (tls_echo, TlsPool)]
both = pytest.mark.parametrize(("peers", "kind"), KINDS)


@both
def test_a_peer_that_closed_an_instant_ago_is_found_at_the_borrow_without_a_switch(peers, kind):
    with peers() as peer, kind(1, peer) as pool:
        assert ask(pool, b"a") == b"a"
        with pool.get():
            peer.drop_all()
            gevent.sleep(0.05)  # the peer's FIN arrives while the connection is lent
        (entry,) = pool._core.ledger.idle
        switches = []
        gevent.spawn(switches.append, 1)
        assert not entry.guard.alive()
        assert switches == []
        assert ask(pool, b"b") == b"b"


@pytest.mark.parametrize(("peers", "kind"), [*KINDS, (echo, NumberedPool)])
def test_a_close_of_an_idle_connections_peer_is_an_event(peers, kind):
    with peers() as peer, kind(3, peer) as pool:
        pool.wait_until_ready(5)
        assert ask(pool) == b"?"
        peer.drop_all()
        gevent.sleep(0.1)
        assert pool.stats().closed["peer_closed"] == 3
        pool.wait_until_ready(5)
        assert ask(pool) == b"?"


def test_after_a_restart_of_the_server_no_caller_meets_a_stale_connection():
    with echo() as peer, TcpPool(20, peer, max_connecting=20) as pool:
        pool.wait_until_ready(5)
        with gevent.Timeout(5):
            while peer.open < 20:  # the peer has accepted all of them
                gevent.sleep(0.001)
        stale = list(pool.conn)
        peer.drop_all()
        callers = [gevent.spawn(ask, pool) for _ in range(40)]
        gevent.joinall(callers, raise_error=True)
        assert not set(stale) & set(pool.conn)
        assert pool.stats().closed["peer_closed"] == 20


@both
def test_a_reset_by_the_peer_is_found_like_a_close(peers, kind):
    with peers() as peer, kind(1, peer) as pool:
        assert ask(pool) == b"?"
        peer.drop_all(reset=True)
        gevent.sleep(0.05)
        assert ask(pool) == b"?"


def test_tls_session_tickets_are_not_data():
    with tls_echo() as peer, TlsPool(2, peer) as pool:
        pool.wait_until_ready(5)
        gevent.sleep(0.1)
        for _ in range(4):
            assert ask(pool) == b"?"
        stats = pool.stats()
        assert (stats.opened, stats.closed["peer_closed"]) == (2, 0)
        assert peer.accepted == 2


def test_session_tickets_are_told_from_data_by_pyopenssls_error_too():
    class WantReadError(Exception):
        pass

    class Tls:
        def __init__(self, sock):
            self.sock, self.fileno, self.close = sock, sock.fileno, sock.close

        settimeout = pending = lambda self, *_: 0
        gettimeout = lambda self: None  # noqa: E731

        def recv(self, _):
            raise WantReadError

    class PyOpenSslPool(TcpPool):
        def _new_connection(self) -> object:
            return Tls(super()._new_connection())

    with echo() as peer, PyOpenSslPool(1, peer) as pool:
        with pool.get() as connection:
            connection.sock.sendall(b"what comes back is tickets")
        gevent.sleep(0.02)
        assert hold(pool, 0) is connection


def test_decrypted_data_that_nobody_read_is_not_left_to_the_next_caller():
    with tls_echo() as peer, TlsPool(1, peer) as pool:
        with pool.get() as connection:
            connection.sendall(b"x" * 50)
            assert connection.recv(10) == b"x" * 10
            assert connection.pending() == 40
        assert ask(pool, b"mine") == b"mine"
        assert pool.stats().opened == 2


@pytest.mark.parametrize("tls", [False, True])
def test_the_greeting_of_a_peer_that_speaks_first_is_left_to_the_first_user(tls):
    with scripted(greet, tls=tls) as peer, (TlsPool if tls else TcpPool)(1, peer) as pool:
        pool.wait_until_ready(5)
        gevent.sleep(0.2)
        with pool.get() as connection:
            assert connection.recv(100) == b"hello"
        with pool.get() as again:
            assert again is connection
        assert pool.stats().opened <= 1 + tls


def test_a_greeting_that_nobody_has_read_yet_is_looked_at_once(monkeypatch):
    looks, look = [], Core.peer_stirred
    monkeypatch.setattr(Core, "peer_stirred", lambda *args: looks.append(1) or look(*args))
    with scripted(greet) as peer, TcpPool(1, peer) as pool:
        pool.wait_until_ready(5)
        gevent.sleep(0.1)
        assert len(looks) == 1


def test_a_socket_is_watched_while_its_connection_is_idle_and_not_while_it_is_lent():
    with echo() as peer, TcpPool(1, peer) as pool:
        pool.wait_until_ready(5)
        (entry,) = pool._core.ledger.idle
        gevent.sleep(0.02)
        assert is_watched(entry)
        with pool.get():
            assert not is_watched(entry)
        gevent.sleep(0.02)
        assert is_watched(entry)
        taken = pool.conn.popleft()
        assert not is_watched(entry)
        pool.conn.append(taken)
        gevent.sleep(0.02)
        assert is_watched(entry)


def test_a_socket_is_not_watched_while_its_connection_is_probed():
    watched = AsyncResult()

    class Looking(TcpPool):
        def _keepalive(self, c) -> None:
            watched.set(is_watched(self._core.ledger.find(c)))

    with echo() as peer, Looking(1, peer, keepalive=0.05):
        assert watched.get(timeout=5) is False


def test_an_idle_watcher_stays_silent_while_the_connection_is_lent():
    with echo() as peer, TcpPool(1, peer) as pool, pool.get() as connection:
        for _ in range(5):
            connection.sendall(b"?")
            gevent.sleep(0.01)
            assert connection.recv(1) == b"?"
        assert pool.stats().in_use == 1


def test_a_descriptor_that_passed_to_another_owner_is_left_alone():
    with echo() as peer, TcpPool(1, peer) as pool:
        with pool.get() as connection:
            descriptor = connection.fileno()
            connection.close()  # behind the pool's back
        lower = []
        while (other := gevent.socket.socket()).fileno() != descriptor:
            lower.append(other)  # what was free before, or is now that garbage was collected
        other.connect(peer.address)
        other.sendall(b"data for the other")
        gevent.sleep(0.05)
        assert other.recv(100) == b"data for the other"
        assert ask(pool) == b"?"
        assert pool.stats().closed["broken"] == 1
        for each in (other, *lower):
            each.close()


def test_what_is_no_socket_is_not_watched(tmp_path):
    with (tmp_path / "file").open("w") as file, gevent.socket.socket() as unconnected:

        class Odd(ConnectionPool):
            connections = [object(), file, -1]  # noqa: RUF012

            def _new_connection(self) -> object:
                return self.connections.pop()

            def _close_connection(self, c):
                pass

        with Odd(3) as pool:
            pool.wait_until_ready(5)
            assert all(entry.guard is None for entry in pool._core.ledger.idle)
            for _ in range(3):
                hold(pool, 0)
        unconnected.close()


@pytest.mark.parametrize("odd", [object(), "text", 10**6, True])
def test_whatever_socket_returns_a_connection_without_one_works(virtual_clock, odd):
    class Odd(Pool):
        def _socket(self, c):
            return odd

    with Odd(1) as pool:
        assert_whole(pool)
        assert pool.stats().connect_errors == 0


def test_a_wrapped_socket_is_watched_where_the_class_says_where_it_is():
    class Client:
        def __init__(self, sock):
            self.sock = sock

        def close(self):
            self.sock.close()

    class Wrapped(TcpPool):
        def _new_connection(self) -> object:
            return Client(super()._new_connection())

        def _socket(self, c):
            return c.sock

    with echo() as peer, Wrapped(1, peer) as pool:
        pool.wait_until_ready(5)
        old = hold(pool, 0)
        peer.drop_all()
        gevent.sleep(0.05)
        assert hold(pool, 0.01) is not old


def test_no_descriptor_is_left_behind():
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    with echo() as peer:
        with TcpPool(1, peer) as pool:
            ask(pool)
        before = descriptors()
        for _ in range(20):
            with TcpPool(3, peer) as pool:
                pool.wait_until_ready(5)
                ask(pool)
        gevent.sleep(0.05)
        assert descriptors() <= before + 1


def test_whatever_an_odd_socket_raises_nobody_meets_it_and_nothing_is_lost():
    class Odd:
        broken = False

        def __init__(self, sock):
            self.sock = sock

        def fileno(self):
            if self.broken:
                raise LookupError("odd")
            return self.sock.fileno()

        def close(self):
            self.sock.close()

    class OddPool(TcpPool):
        def _new_connection(self) -> object:
            return Odd(super()._new_connection())

    with echo() as peer, OddPool(1, peer) as pool:
        old = hold(pool, 0)
        old.broken = True
        assert hold(pool, 0) is not old
        assert pool.stats().idle == 1


def test_an_odd_tls_socket_that_cannot_be_asked_is_not_lent():
    class Odd:
        def __init__(self, sock):
            self.sock, self.fileno, self.close = sock, sock.fileno, sock.close

        settimeout = pending = lambda self, *_: 0

        def gettimeout(self):
            raise LookupError("odd")

    class OddPool(TcpPool):
        def _new_connection(self) -> object:
            return Odd(super()._new_connection())

    with echo() as peer, OddPool(1, peer) as pool:
        with pool.get() as connection:
            connection.sock.sendall(b"what comes back is nobody's")
        gevent.sleep(0.02)
        assert hold(pool, 0) is not connection


@pytest.mark.parametrize("take", [lambda c: c.remove(c[0]), lambda c: c.clear()])
def test_a_connection_that_a_subclass_took_away_is_not_watched_any_more(take):
    with echo() as peer, TcpPool(1, peer) as pool:
        pool.wait_until_ready(5)
        (entry,) = pool._core.ledger.idle
        gevent.sleep(0.02)
        with pool.conn[0]:
            take(pool.conn)
            assert entry.guard._io is None


def test_a_connection_whose_socket_was_replaced_behind_the_pools_back_is_not_lent():
    class Client:
        def __init__(self, sock):
            self.sock = sock

        def fileno(self):
            return self.sock.fileno()

        def close(self):
            self.sock.close()

    class Reconnecting(TcpPool):
        def _new_connection(self) -> object:
            return Client(super()._new_connection())

    with echo() as peer, Reconnecting(1, peer) as pool:
        old = hold(pool, 0)
        with old.sock, gevent.socket.create_connection(peer.address) as old.sock:
            assert hold(pool, 0) is not old


def test_a_reply_to_what_a_subclass_asked_by_hand_reaches_no_caller():
    with echo() as peer, TcpPool(1, peer) as pool:
        pool.wait_until_ready(5)
        taken = pool.conn.popleft()
        taken.sendall(b"nobody reads this")
        pool.conn.append(taken)
        gevent.sleep(0.05)
        assert ask(pool, b"mine") == b"mine"


def test_a_reply_that_a_probe_left_unread_reaches_no_caller():
    probed = Event()

    class Careless(TcpPool):
        def _keepalive(self, c) -> None:
            c.sendall(b"alive?")
            probed.set()

    with echo() as peer, Careless(1, peer, keepalive=0.05) as pool:
        assert probed.wait(5)
        gevent.sleep(0.02)
        assert ask(pool, b"mine") == b"mine"


def test_a_peer_that_closed_is_found_and_not_probed():
    def greet_and_go(sock):
        sock.sendall(b"hello")  # unread, so that the close is no event
        gevent.sleep(0.02)

    class Noting(TcpPool):
        probes = 0

        def _keepalive(self, c) -> None:
            self.probes += 1

    with scripted(greet_and_go) as peer, Noting(1, peer, keepalive=0.1) as pool:
        with gevent.Timeout(5):
            while not pool.stats().closed["peer_closed"]:
                gevent.sleep(0.01)
        assert pool.probes == 0


@pytest.mark.skipif("libuv" in gevent.config.loop.__module__, reason="there, any watcher does")
def test_an_idle_pool_does_not_keep_the_event_loop_alive():
    class Kept(TcpPool):
        def _keepalive(self, c) -> None:
            pass

    with black_hole() as place, Kept(2, place, keepalive=1000) as pool:
        pool.wait_until_ready(5)
        assert gevent.get_hub().join(timeout=0.5)
