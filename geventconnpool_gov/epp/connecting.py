"""How does a TCP connection come about, and how does TLS start on it, cooperatively?

Neither function bounds its time: the caller's deadline does. Both leave nothing open when they
are interrupted.
"""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from typing import Any

import gevent.socket
import gevent.ssl

__all__ = ["start_tls", "tcp_connection"]


def tcp_connection(hostname: str, port: int) -> Any:
    """Return a connected gevent socket: the first address that answers, in the resolver's order.

    Raises:
        OSError: the name is unknown, or no address answered; then the last one's error.
    """
    failure: OSError | None = None
    addresses = gevent.socket.getaddrinfo(hostname, port, type=stdlib_socket.SOCK_STREAM)
    for family, kind, protocol, _name, address in addresses:
        sock = gevent.socket.socket(family, kind, protocol)
        try:
            sock.connect(address)
            # Nagle's algorithm would hold a small message back until the peer's delayed ACK.
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(f"{hostname} has no address")


def start_tls(sock: Any, context: ssl.SSLContext, hostname: str) -> Any:
    """Return a gevent TLS socket around `sock`, its handshake still to be done.

    Not `context.wrap_socket`: a context of the standard library would make a blocking socket. The
    handshake is left to the caller, so that whoever interrupts it finds a socket to close. An end
    of file without a TLS close_notify is an `ssl.SSLEOFError`, not the orderly end that `b""` is.
    """
    try:
        return _TlsSocket(
            sock,
            server_hostname=hostname,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
            _context=context,
        )
    except BaseException:
        sock.close()
        raise


class _TlsSocket(gevent.ssl.SSLSocket):
    """gevent's, which forgets the descriptor it took over when the peer has reset already."""

    def __init__(self, sock: Any, **options: Any) -> None:
        try:
            super().__init__(sock, **options)
        except BaseException:
            if sock.fileno() < 0:
                self.close()
            raise
