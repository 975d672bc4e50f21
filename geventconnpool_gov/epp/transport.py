"""How does one message cross one connection, whole and in time, or not at all?

RFC 5734: frames over TLS over TCP, the greeting first, then a reply for each command. The reply
belongs to the command only because it is the next one on the wire. So a connection on which any
message was begun and not finished is of no use to anybody, and this module's one rule follows:

    A transport is marked unusable before the first switch of an operation and marked usable after
    its last. Whatever ends the operation in between (an error, `gevent.Timeout`, a kill) leaves
    the mark, and every later use raises at once instead of reading a stranger's reply.

Each operation has one deadline for all of it, kept by one gevent timer: a peer that sends a byte
now and then does not extend it, not even below TLS. Nothing here needs monkey-patching.
"""

from __future__ import annotations

import os
import ssl
from time import monotonic
from types import TracebackType
from typing import Any, TypeAlias

from gevent import Timeout

from .connecting import start_tls, tcp_connection
from .errors import TransportError
from .frames import HEADER_SIZE, FrameError, message_size, pack
from .interface import TransportBase
from .tls import client_context

__all__ = ["EppTransport"]

_Path: TypeAlias = "str | os.PathLike[str]"

_NOT_CONNECTED = "not connected"
_CLOSED = "closed"
_CONNECTING = "in the middle of connecting"
_SENDING = "in the middle of sending a message"
_RECEIVING = "in the middle of receiving a message"


class EppTransport(TransportBase):
    """One TLS connection to an EPP server; takes the place of epplib's `SocketTransport`.

    `epplib.client.Client(EppTransport(…))` works, and has what this module promises. What a
    session is, and that a reply belongs to its command, only `EppClient` and `EppPool` know.

    `ssl_context` is shared by many transports; without one, a context is built from `cert_file`,
    `key_file` and `password` (see `client_context`), which are then not kept. `connect_timeout`
    bounds name look-up, TCP and TLS together; `read_timeout` bounds one whole message, sent or
    received, waiting included; both in seconds, None for no limit. `max_frame` is the longest
    frame that the peer may send, in bytes; a longer one is refused before memory is set aside.

    `socket` is the TLS socket, or None when there is none. `begun` counts the connects and
    the messages, in either direction, that were begun. One greenlet at a time.
    """

    def __init__(
        self,
        hostname: str,
        port: int = 700,
        *,
        ssl_context: ssl.SSLContext | None = None,
        cert_file: _Path | None = None,
        key_file: _Path | None = None,
        password: str | None = None,
        connect_timeout: float | None = 30.0,
        read_timeout: float | None = 30.0,
        max_frame: int = 1_048_576,
    ) -> None:
        if ssl_context is None:
            ssl_context = client_context(cert_file=cert_file, key_file=key_file, password=password)
        elif cert_file is not None or key_file is not None or password is not None:
            raise ValueError("give ssl_context, or the certificate's files; not both")
        self.hostname = hostname
        self.port = port
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.max_frame = max_frame
        self.begun = 0
        self.socket: Any = None  # gevent.ssl.SSLSocket; its stubs and the stdlib's do not agree
        self._context = ssl_context
        self._unusable: str | None = _NOT_CONNECTED

    def __repr__(self) -> str:
        return f"<EppTransport {self.hostname}:{self.port}, {self._unusable or 'connected'}>"

    def connect(self) -> None:
        """Open the connection: look the name up, connect, finish the TLS handshake.

        Raises:
            TransportError: any of it failed or `connect_timeout` passed, or this transport is
                connected already. Nothing stays open then, nor after a kill.
        """
        if self.socket is not None:
            raise TransportError(f"{self!r}: cannot connect twice")
        self._unusable = _CONNECTING
        self.begun += 1
        try:
            with _Operation(f"connecting to {self.hostname}:{self.port}", self.connect_timeout):
                sock = tcp_connection(self.hostname, self.port)
                self.socket = start_tls(sock, self._context, self.hostname)
                self.socket.do_handshake()
        except BaseException:
            self.close()
            self._unusable = _NOT_CONNECTED
            raise
        self._finish(_CONNECTING)

    def send(self, message: bytes, timeout: float | None = None) -> None:
        """Send `message` in one frame, within `timeout` seconds (None: `read_timeout`).

        Raises:
            TransportError: not all of it was handed over, so the server cannot have executed it;
                or `message` fits no frame, and nothing was sent.
        """
        try:
            frame = memoryview(pack(message))
        except FrameError as error:
            raise TransportError(f"nothing was sent: {error}") from None
        sock = self._begin(_SENDING)
        with _Operation("sending a message", self._bound(timeout)) as figures:
            figures.expect(len(frame), "of {:,} bytes")
            while figures.done < len(frame):
                figures.done += sock.send(frame[figures.done :])
        self._finish(_SENDING)

    def receive(self, timeout: float | None = None) -> bytes:
        """Return the next message, whole, within `timeout` seconds (None: `read_timeout`).

        Raises:
            TransportError: the peer closed, reset or was too slow, or its frame is none. The text
                has the bytes that came, the bytes expected and the seconds.
        """
        sock = self._begin(_RECEIVING)
        with _Operation("receiving", self._bound(timeout), maybe_executed=True) as figures:
            header = bytearray(HEADER_SIZE)
            _fill(sock, header, figures, "of {:,} header bytes")
            message = bytearray(message_size(header, self.max_frame))
            _fill(sock, message, figures, "of {:,} message bytes")
        self._finish(_RECEIVING)
        return bytes(message)

    def abandon(self, reason: str) -> None:
        """Let nobody send or receive again: what came over this connection was not in order."""
        if self._unusable != _CLOSED:
            self._unusable = reason

    @property
    def usable(self) -> bool:
        """Whether a message may be sent now."""
        return self._unusable is None

    def close(self) -> None:
        """Close the descriptor; does not switch, may be repeated, and ends what still waits on it.

        Sends no TLS close_notify, which could block, and which in a forked child would end the
        parent's session (RFC 5734, section 2, ends a session with `<logout>`).
        """
        self._unusable = _CLOSED
        sock, self.socket = self.socket, None
        if sock is not None:
            sock.close()

    def _begin(self, doing: str) -> Any:
        if self._unusable is not None:
            raise TransportError(f"EPP connection to {self.hostname} unusable: {self._unusable}")
        self._unusable = doing
        self.begun += 1
        return self.socket

    def _finish(self, doing: str) -> None:
        if self._unusable is doing:  # and not closed or abandoned meanwhile
            self._unusable = None

    def _bound(self, timeout: float | None) -> float | None:
        return self.read_timeout if timeout is None else timeout


class _Operation:
    """The deadline of one operation, how far it got, and the words for its failure."""

    def __init__(self, what: str, seconds: float | None, *, maybe_executed: bool = False) -> None:
        self._what = what
        self._timeout = Timeout(seconds)
        self._maybe_executed = maybe_executed
        self._total = 0
        self._words = ""
        self.done = 0

    def expect(self, total: int, words: str) -> None:
        """From here on, count to `total`; `words` say what is counted."""
        self.done, self._total, self._words = 0, total, words

    def __enter__(self) -> _Operation:
        self._started = monotonic()
        self._timeout.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        timeout = self._timeout
        timeout.close()
        del self._timeout  # where it is what ended this, its frames hold this
        if error is timeout:
            why = f"the limit of {timeout.seconds:g} s passed"
        elif isinstance(error, FrameError):
            why = str(error)
        elif isinstance(error, ssl.SSLEOFError):
            why = "the connection was cut or reset"
        elif isinstance(error, (OSError, ValueError)):  # ValueError: closed by another greenlet
            why = f"{type(error).__name__}: {error}"
        else:
            return
        how_far = f", {self.done:,} {self._words.format(self._total)}" if self._words else ""
        raise TransportError(
            f"{self._what} failed after {monotonic() - self._started:.3f} s{how_far}: {why}",
            maybe_executed=self._maybe_executed,
        ) from error


def _fill(sock: Any, buffer: bytearray, figures: _Operation, words: str) -> None:
    figures.expect(len(buffer), words)
    view = memoryview(buffer)
    while figures.done < len(buffer):
        count = sock.recv_into(view[figures.done :])
        if not count:
            raise ConnectionAbortedError("the peer closed the connection")
        figures.done += count
