"""One message crosses one connection whole and in time, or the connection is of no more use."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import ssl
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import gevent
import gevent.socket
import peers
import pytest
from epp.streams import LIMIT, at_the_limit, corrupted, messages_in, pieces
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from geventconnpool_gov.epp import EppTransport, TransportError
from geventconnpool_gov.epp.connecting import tcp_connection
from geventconnpool_gov.epp.frames import pack


def transport_to(peer: Any, **options: Any) -> EppTransport:
    context = (
        peer.client_context() if isinstance(peer, peers.Peer) else ssl.create_default_context()
    )
    return EppTransport(*peer.address, **{"ssl_context": context, "read_timeout": 5, **options})


@contextlib.contextmanager
def connected(talk: Callable[[Any], object], **options: Any) -> Iterator[EppTransport]:
    """A transport to a TLS peer that runs `talk`."""
    with peers.scripted(talk, tls=True) as peer:
        transport = transport_to(peer, **options)
        transport.connect()
        try:
            yield transport
        finally:
            transport.close()


def sends(*pieces: bytes, then_close: bool = False) -> Callable[[Any], None]:
    def talk(sock: Any) -> None:
        for piece in pieces:
            sock.sendall(piece)
            gevent.sleep(0)
        while not then_close and sock.recv(4096):
            pass

    return talk


messages = st.binary(min_size=1, max_size=300) | st.sampled_from(at_the_limit)
intact = st.lists(messages, min_size=1, max_size=5).map(lambda all_: b"".join(map(pack, all_)))


@settings(max_examples=100, deadline=None)
@given(intact | corrupted(messages), st.data())
def test_whole_messages_arrive_however_the_stream_is_cut_and_what_is_corrupt_is_an_error(
    stream: bytes, data: st.DataObject
) -> None:
    parts = data.draw(pieces(stream))
    pauses = data.draw(st.sets(st.sampled_from(range(len(parts)))))

    def talk(sock: Any) -> None:
        for number, part in enumerate(parts):
            sock.sendall(part)
            if number in pauses:
                gevent.sleep(0.001)

    with connected(talk, max_frame=LIMIT) as transport:
        came: list[bytes] = []
        with pytest.raises(TransportError) as caught:
            came.extend(iter(transport.receive, None))
        assert came == messages_in(stream, LIMIT)
        assert caught.value.maybe_executed
        assert not transport.usable


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_stream_that_ends_inside_a_frame_is_an_error_with_the_figures(
    message: bytes, data: st.DataObject
) -> None:
    frame = pack(message)
    got = data.draw(st.integers(0, len(frame) - 1), label="octets that come")
    with connected(sends(frame[:got], then_close=True)) as transport:
        with pytest.raises(TransportError) as caught:
            transport.receive()
        in_header = f"{got} of 4 header bytes"
        in_message = f"{got - 4} of {len(message)} message bytes"
        assert (in_header if got < 4 else in_message) in str(caught.value)
        # TLS libraries differ in whether an end without close_notify is an end or an error.
        assert re.search("the connection was cut|the peer closed", str(caught.value))
        assert caught.value.maybe_executed
        assert not transport.usable


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "impossible"), (3, "impossible"), (4, "empty"), (1_001, "above"), (0xFFFF_FFFF, "above")],
)
def test_a_length_that_cannot_be_is_refused_before_memory_is_set_aside(
    length: int, words: str
) -> None:
    with connected(sends(length.to_bytes(4, "big")), max_frame=1_000) as transport:
        tracemalloc.start()
        try:
            with pytest.raises(TransportError, match=words):
                transport.receive()
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


def test_a_slow_drip_does_not_extend_the_deadline() -> None:
    def drip(sock: Any) -> None:
        for octet in pack(b"x" * 1_000):
            sock.sendall(bytes([octet]))
            gevent.sleep(0.01)

    with connected(drip, read_timeout=0.1) as transport:
        before = monotonic()
        with pytest.raises(TransportError, match=r"of 1,000 message bytes: the limit of 0.1 s"):
            transport.receive()
        assert monotonic() - before < 1


def test_a_slow_drip_below_tls_does_not_extend_the_deadline_either() -> None:
    drip = Event()  # from now on, the relay passes the server's octets on one at a time

    def answers_once(sock: Any) -> None:
        sock.recv(1)
        drip.set()
        sock.sendall(pack(b"x" * 1_000))
        sock.recv(1)

    with peers.scripted(answers_once, tls=True) as server, peers.relay(server, drip) as relay:
        transport = transport_to(relay, ssl_context=server.client_context(), read_timeout=0.1)
        transport.connect()
        transport.send(b"command")
        before = monotonic()
        with pytest.raises(TransportError, match=r"the limit of 0\.1 s"):
            transport.receive()
        assert monotonic() - before < 1
        transport.close()


def test_a_peer_that_does_not_read_does_not_hold_a_send_beyond_its_deadline() -> None:
    def never_reads(sock: Any) -> None:
        gevent.sleep(10)

    with connected(never_reads, read_timeout=0.1) as transport:
        with pytest.raises(TransportError, match=r"of 8,000,004 bytes: the limit") as caught:
            transport.send(b"x" * 8_000_000)
        assert not caught.value.maybe_executed
        assert not transport.usable


def test_a_reset_is_a_transport_error() -> None:
    with connected(lambda sock: peers.close(sock, reset=True)) as transport:
        with pytest.raises(TransportError, match=r"0 of 4 header bytes: .*reset") as caught:
            transport.receive()
        assert isinstance(caught.value.__cause__, OSError)


def test_an_orderly_close_is_told_from_a_cut() -> None:
    def close_notify(sock: Any) -> None:
        sock.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError):
            sock.unwrap()

    closed = pytest.raises(TransportError, match="the peer closed the connection")
    with connected(close_notify) as transport, closed:
        transport.receive()


def test_a_transport_error_is_no_os_error() -> None:
    assert not issubclass(TransportError, OSError)


@pytest.mark.parametrize("peer", [peers.black_hole, peers.full_backlog])
def test_a_peer_that_never_speaks_bounds_a_connect_by_one_deadline(peer: Any) -> None:
    with peer() as place:
        transport = transport_to(place, connect_timeout=0.1)
        before = monotonic()
        with pytest.raises(TransportError, match=r"the limit of 0\.1 s"):
            transport.connect()
        assert monotonic() - before < 1
        assert transport.socket is None


@pytest.mark.parametrize("peer", [peers.refused_port, peers.resetting, peers.closing])
def test_a_connect_that_fails_leaves_nothing_open_and_may_be_tried_again(peer: Any) -> None:
    with peer() as place:
        transport = transport_to(place)
        for _ in range(2):
            with pytest.raises(TransportError, match=r"connecting to 127\.0\.0\.1"):
                transport.connect()
            assert transport.socket is None


def test_a_reset_between_tcp_and_tls_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = []

    def until_reset(*address: Any) -> Any:
        sock = tcp_connection(*address)
        descriptors.append(sock.fileno())
        gevent.socket.wait_read(sock.fileno())  # the reset is there
        return sock

    monkeypatch.setattr("geventconnpool_gov.epp.transport.tcp_connection", until_reset)
    with peers.resetting() as peer, pytest.raises(TransportError):
        transport_to(peer).connect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptors[0])


def test_a_certificate_for_another_host_is_refused() -> None:
    with peers.tls_echo() as peer:
        context = peer.client_context()
        transport = EppTransport("0.0.0.0", peer.address[1], ssl_context=context)
        with pytest.raises(TransportError, match=r"not valid for '0\.0\.0\.0'"):
            transport.connect()
        assert transport.socket is None


def test_a_kill_while_connecting_closes_the_socket() -> None:
    held = Event()

    def no_handshake(sock: Any) -> None:
        held.set()
        assert sock.recv(4096)  # the client's hello
        assert sock.recv(4096) == b""  # and its end
        held.clear()

    with peers.scripted(no_handshake) as peer:
        transport = transport_to(peer)
        client = gevent.spawn(transport.connect)
        held.wait()
        gevent.sleep(0.01)
        client.kill()
        assert transport.socket is None
        while held.is_set():
            gevent.sleep(0.001)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 23), st.booleans())
def test_an_interrupted_message_leaves_nothing_to_the_next_caller(came: int, kill: bool) -> None:
    frame = pack(b"the stranger's reply")
    go_on = Event()

    def talk(sock: Any) -> None:
        sock.sendall(frame[:came])
        go_on.wait()
        sock.sendall(frame[came:])
        sock.recv(1)

    with connected(talk) as transport:
        if kill:
            reader = gevent.spawn(transport.receive)
            gevent.sleep(0.002)
            reader.kill()
        else:
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.002):
                transport.receive()
        go_on.set()
        for use in (transport.receive, lambda: transport.send(b"mine")):
            with pytest.raises(TransportError, match="in the middle of receiving"):
                use()


def test_a_kill_while_sending_leaves_the_transport_unusable() -> None:
    with connected(lambda sock: gevent.sleep(10)) as transport:
        sender = gevent.spawn(transport.send, b"x" * 8_000_000)
        gevent.sleep(0.05)
        sender.kill()
        with pytest.raises(TransportError, match="in the middle of sending"):
            transport.send(b"mine")


def test_a_second_greenlet_is_turned_away_and_the_first_is_served() -> None:
    go_on = Event()

    def talk(sock: Any) -> None:
        go_on.wait()
        sock.sendall(pack(b"reply"))
        sock.recv(1)

    with connected(talk) as transport:
        first = gevent.spawn(transport.receive)
        gevent.sleep(0)
        with pytest.raises(TransportError, match="in the middle of receiving"):
            transport.receive()
        go_on.set()
        assert first.get() == b"reply"
        assert transport.usable


def test_a_close_by_another_greenlet_ends_the_wait() -> None:
    with connected(sends()) as transport:
        reader = gevent.spawn(transport.receive)
        gevent.sleep(0.01)
        transport.close()
        with pytest.raises(TransportError):
            reader.get()
        with pytest.raises(TransportError, match="closed"):
            transport.receive()


def test_what_was_abandoned_meanwhile_stays_so() -> None:
    go_on = Event()

    def talk(sock: Any) -> None:
        go_on.wait()
        sock.sendall(pack(b"reply"))
        sock.recv(1)

    with connected(talk) as transport:
        reader = gevent.spawn(transport.receive)
        gevent.sleep(0)
        transport.abandon("a reply was out of order")
        go_on.set()
        assert reader.get() == b"reply"
        with pytest.raises(TransportError, match="out of order"):
            transport.receive()


def test_a_context_of_the_standard_library_does_not_block_the_hub() -> None:
    with peers.tls_echo() as peer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(
            cadata=ssl.DER_cert_to_PEM_cert(peer.client_context().get_ca_certs(binary_form=True)[0])
        )
        transport = transport_to(peer, ssl_context=context)
        transport.connect()  # would hang: the peer is served by this very thread
        transport.send(b"hello")
        assert transport.receive() == b"hello"
        transport.close()


def test_nagle_is_off_and_tls_is_at_least_1_2() -> None:
    with connected(sends()) as transport:
        nodelay = transport.socket.getsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY)
        assert nodelay
        assert transport.socket.version() == "TLSv1.3"
    assert EppTransport("localhost")._context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert EppTransport("localhost")._context.check_hostname


def test_a_missing_key_password_is_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_cert_chain", lambda *given: passwords.append(given[3])
    )
    EppTransport("localhost", cert_file="certificate", key_file="key")
    assert passwords == [""]  # with None, OpenSSL would ask at the terminal


def test_the_keys_password_is_kept_nowhere(tmp_path: Any) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = tmp_path / "key.pem"
    locked = form.BestAvailableEncryption(b"sesame")
    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked))
    for password in (None, "wrong-sesame"):
        with pytest.raises(ssl.SSLError) as caught:
            EppTransport("localhost", cert_file=key, key_file=key, password=password)
        assert "sesame" not in repr(caught.value)
    transport = EppTransport("localhost")
    assert "password" not in vars(transport)
    assert repr(transport) == "<EppTransport localhost:700, not connected>"


def test_a_message_that_fits_no_frame_is_a_transport_error_and_costs_nothing() -> None:
    with connected(sends()) as transport:
        with pytest.raises(TransportError, match="nothing was sent") as caught:
            transport.send(b"")
        assert not caught.value.maybe_executed
        assert transport.usable


def test_a_second_connect_is_refused_and_costs_nothing() -> None:
    with connected(sends(b"\0\0\0\5!")) as transport:
        with pytest.raises(TransportError, match="twice"):
            transport.connect()
        assert transport.receive() == b"!"


@pytest.mark.parametrize("lacking", [{"key_file": "key"}, {"password": "sesame"}])
def test_a_key_without_its_certificate_is_refused(lacking: Any) -> None:
    with pytest.raises(ValueError, match="need a cert_file"):
        EppTransport("localhost", **lacking)


@pytest.mark.parametrize("second", ["cert_file", "key_file", "password"])
def test_a_context_and_a_certificates_files_are_not_mixed(second: str) -> None:
    with pytest.raises(ValueError, match="not both"):
        EppTransport("localhost", ssl_context=ssl.create_default_context(), **{second: "x"})


class Local:
    """What a caller's frame holds."""


def test_a_time_limit_that_passed_leaves_nothing_to_the_collector() -> None:
    def ask(peer: peers.Place) -> weakref.ref[Local]:
        local = Local()
        with contextlib.suppress(TransportError):
            transport_to(peer, connect_timeout=0.05).connect()
        return weakref.ref(local)

    gc.disable()
    try:
        with peers.black_hole() as peer:
            held = ask(peer)
            gevent.sleep(0)  # the timer's own callback has ended
            assert held() is None
    finally:
        gc.enable()
