"""Real peers on loopback, most of them faulty, for any test that needs one at the other end.

Each is a context manager in this process, served by gevent greenlets, and gives an object with
`address`, a pair of host and port. Nothing of a peer outlives its `with` block.

    refused_port       nobody listens there, and nobody else can take the port meanwhile
    full_backlog       the kernel drops every connect: it neither succeeds nor fails
    black_hole         connects succeed, and no octet ever comes
    resetting          accepts, and resets at once
    closing            accepts, and closes at once
    half_message       sends the beginning of a message, and then nothing, or closes
    echo, tls_echo     send back what comes; count their connections; can drop all of them
    relay              passes octets on to another peer and back; on demand, back one at a time
    scripted           accepts, and runs a function of the test with the socket, TLS or not

Fresh connections to `tls_echo` are readable though no data waits: TLS 1.3 session tickets.
"""

from __future__ import annotations

import contextlib
import os
import socket as stdlib_socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import gevent
import gevent.socket
from gevent.event import Event
from gevent.server import StreamServer

from geventconnpool_gov.testing.certificates import Authority

HOST = "127.0.0.1"
Address = tuple[str, int]


@dataclass(frozen=True)
class Place:
    """Where to connect to."""

    address: Address


class Peer:
    """A server whose every connection is handled by `talk(socket)`; counts and can drop them."""

    def __init__(
        self, talk: Callable[[Any], object], *, server_context: ssl.SSLContext | None = None
    ) -> None:
        self.accepted = 0
        self._talk = talk
        self._context = server_context
        self._sockets: set[Any] = set()
        self._descriptors: set[int] = set()  # those in the middle of a handshake too
        self._server = StreamServer((HOST, 0), self._serve, backlog=512)
        self._server.start()
        self.address: Address = (HOST, int(self._server.server_port or 0))

    @property
    def open(self) -> int:
        """How many connections this end holds open."""
        return len(self._sockets)

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts the TLS peers."""
        return _authority().client_context()

    def drop_all(self, *, reset: bool = False) -> None:
        """Close every connection, with FIN or with RST; new ones are accepted."""
        for sock in list(self._sockets):
            close(sock, reset=reset)

    def leave_to_parent(self) -> None:
        """In a forked child: this copy serves nobody. What it would read is the parent's."""
        with stdlib_socket.socket() as blank:
            for descriptor in (self._server.socket.fileno(), *self._descriptors):
                os.dup2(blank.fileno(), descriptor, inheritable=False)

    def stop(self) -> None:
        """Listen no longer, and drop all."""
        self._server.stop()
        self.drop_all()

    def _serve(self, sock: Any, _address: object) -> None:
        self.accepted += 1
        descriptor = sock.fileno()
        self._descriptors.add(descriptor)
        with contextlib.suppress(OSError, ValueError, ssl.SSLError):  # the client went, or dropped
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            self._sockets.add(sock)
            try:
                self._talk(sock)
            finally:
                self._sockets.discard(sock)
                sock.close()
        self._descriptors.discard(descriptor)


def close(sock: Any, *, reset: bool = False) -> None:
    """Close `sock`, with RST instead of FIN where `reset`."""
    if reset:
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, linger)
    sock.close()


@contextlib.contextmanager
def refused_port() -> Iterator[Place]:
    """A port that is taken and not listened on: connects are refused at once."""
    with gevent.socket.socket() as sock:
        sock.bind((HOST, 0))
        yield Place(sock.getsockname())


@contextlib.contextmanager
def full_backlog() -> Iterator[Place]:
    """A listener whose queue is full and never emptied: a connect hangs (on Linux)."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(gevent.socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(gevent.socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield Place(listener.getsockname())


@contextlib.contextmanager
def black_hole() -> Iterator[Place]:
    """A listener that lets the kernel accept and never looks: no octet, no handshake, no end."""
    with gevent.socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(512)
        yield Place(listener.getsockname())


@contextlib.contextmanager
def resetting() -> Iterator[Peer]:
    """A server that resets each connection as soon as it is accepted."""
    with scripted(lambda sock: close(sock, reset=True)) as peer:
        yield peer


@contextlib.contextmanager
def closing() -> Iterator[Peer]:
    """A server that closes each connection as soon as it is accepted."""
    with scripted(close) as peer:
        yield peer


@contextlib.contextmanager
def half_message(part: bytes, *, then_close: bool = False, tls: bool = False) -> Iterator[Peer]:
    """A server that sends `part` to each client, and then waits for its end, or closes."""

    def talk(sock: Any) -> None:
        sock.sendall(part)
        while not then_close and sock.recv(4096):
            pass

    with scripted(talk, tls=tls) as peer:
        yield peer


@contextlib.contextmanager
def echo() -> Iterator[Peer]:
    """A server that sends back whatever comes."""
    with scripted(_send_back) as peer:
        yield peer


@contextlib.contextmanager
def tls_echo() -> Iterator[Peer]:
    """The same over TLS 1.3; `client_context()` trusts it, by `HOST` and by `localhost`."""
    with scripted(_send_back, tls=True) as peer:
        yield peer


@contextlib.contextmanager
def relay(other: Peer, drip: Event) -> Iterator[Peer]:
    """A server that passes octets on to `other` and back; back in a slow drip once `drip` is."""

    def talk(sock: Any) -> None:
        with gevent.socket.create_connection(other.address) as beyond:
            there = gevent.spawn(_pass_on, sock, beyond)
            try:
                while data := beyond.recv(65536):
                    for octet in data if drip.is_set() else ():
                        sock.sendall(bytes([octet]))
                        gevent.sleep(0.005)
                    if not drip.is_set():
                        sock.sendall(data)
            finally:
                there.kill()

    with scripted(talk) as peer:
        yield peer


@contextlib.contextmanager
def scripted(talk: Callable[[Any], object], *, tls: bool = False) -> Iterator[Peer]:
    """A server that runs `talk(socket)` for each connection and closes it afterwards."""
    peer = Peer(talk, server_context=_authority().server_context() if tls else None)
    try:
        yield peer
    finally:
        peer.stop()
        gevent.sleep(0)  # lets the greenlets that were served notice


def _send_back(sock: Any) -> None:
    _pass_on(sock, sock)


def _pass_on(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


@cache
def _authority() -> Authority:
    return Authority()
