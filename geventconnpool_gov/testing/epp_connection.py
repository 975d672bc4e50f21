"""How does the test registry hold one connection? Frames in and out, and two ways to end it.

RFC 5734's framing is written out here again, on purpose: a fault in the client's framing must not
meet its twin.
"""

from __future__ import annotations

import socket as stdlib_socket
import struct
from typing import Any

__all__ = ["Connection"]


class Connection:
    """One client: its socket, and whether it is logged in."""

    def __init__(self, sock: Any) -> None:
        self.socket = sock
        self.logged_in = False

    def write(self, message: bytes, only: int | None = None) -> None:
        """Send `message` in a frame; or `only` so many bytes of it, in a frame that is cut off."""
        self.socket.sendall(struct.pack("!I", len(message) + 4) + message[:only])

    def read(self) -> bytes | None:
        """Return the next message, or None when the client has closed."""
        header = self._exactly(4)
        return header and self._exactly(struct.unpack("!I", header)[0] - 4)

    def close(self, *, reset: bool = False) -> None:
        """End the connection: with a TLS close_notify and FIN, or with RST. Does not switch."""
        self.logged_in = False
        try:
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, linger)
            else:
                self.socket.settimeout(0.0)
                self.socket.unwrap()
        except (OSError, ValueError):
            pass  # closed already, or the peer's own close_notify is still to come
        self.socket.close()

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data
