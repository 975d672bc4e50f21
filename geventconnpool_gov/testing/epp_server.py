"""How does the test registry serve its connections? Listening, sessions, limits, and faults.

It runs in a process of its own (`epp_process`). What an answer says is `epp_protocol`'s matter,
which answers are spoiled `epp_faults`'.
"""

from __future__ import annotations

import secrets
import socket as stdlib_socket
import ssl
import struct
from collections import Counter, deque
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from typing import Any

import gevent
from gevent.server import StreamServer

from . import epp_protocol as protocol
from .epp_connection import Connection
from .epp_faults import Faults, Spoiled

__all__ = ["HOST", "Server"]

HOST = "127.0.0.1"
_CLOSING_CODES = frozenset({1500, 2500, 2501, 2502})
_HANDSHAKE_SECONDS = 10.0


class Server:
    """The registry: its listener, its connections, what was ordered and what was counted."""

    def __init__(
        self, context: ssl.SSLContext, *, session_limit: int = 100, idle_limit: float | None = None
    ) -> None:
        self.session_limit = self._usual_limit = session_limit
        self.idle_limit = idle_limit
        self.messages: deque[tuple[int, str]] = deque()
        self.credentials = ("registrar", secrets.token_urlsafe(12))
        self.faults = Faults()
        self.commands: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.connections: set[Connection] = set()
        self._context = context
        self._transactions = count(1)
        self._message_numbers = count(1)
        self._listener = self._listen(0)
        self.port = int(self._listener.server_port or 0)

    def figures(self) -> dict[str, Any]:
        """Return the counts of now, and of commands since the start."""
        return {
            "connections": len(self.connections),
            "sessions": self._sessions(),
            "commands": dict(self.commands),
        }

    def changes(self, *, forget: bool = False) -> dict[str, int]:
        """Return how often each change was executed, as "renew example.test"; or begin anew."""
        changes = dict(self.changed)
        if forget:
            self.changed.clear()
        return changes

    def drop(self, number: int | None = None, *, reset: bool = False) -> int:
        """Close `number` logged-in connections, or every connection; return how many."""
        if number is None:
            dropped = list(self.connections)
        else:
            dropped = [c for c in self.connections if c.logged_in][:number]
        for connection in dropped:
            connection.close(reset=reset)
        return len(dropped)

    def log_out(self, number: int | None = None, reason: str | None = None) -> int:
        """End `number` sessions, or all, and tell nobody; the connections stay."""
        if reason is not None:
            self.faults.logged_out_reason = reason
        ended = [connection for connection in self.connections if connection.logged_in][:number]
        for connection in ended:
            connection.logged_in = False
        return len(ended)

    def restart(self, down: float = 0.2) -> int:
        """Close the listener, drop all, and listen on the same port after `down` seconds."""
        self._listener.stop()
        dropped = self.drop(reset=True)
        gevent.sleep(down)
        self._listener = self._listen(self.port)
        return dropped

    def post(self, text: str) -> int:
        """Put a message into the registrar's queue; return its number."""
        number = next(self._message_numbers)
        self.messages.append((number, text))
        return number

    def clear(self) -> None:
        """Behave from now on."""
        self.faults = Faults()
        self.session_limit = self._usual_limit

    def reset(self) -> None:
        """Behave, drop everybody, and begin to count anew."""
        self.clear()
        self.drop()
        self.messages.clear()
        self.commands.clear()
        self.changed.clear()

    def stop(self) -> None:
        """Close the listener and every connection."""
        self._listener.stop()
        self.drop()

    def _sessions(self) -> int:
        return sum(connection.logged_in for connection in self.connections)

    def _listen(self, port: int) -> StreamServer:
        server = StreamServer((HOST, port), self._serve, backlog=512)
        server.start()
        return server

    def _serve(self, sock: Any, _address: object) -> None:
        while self.faults.black_hole:
            gevent.sleep(0.05)
        if self.faults.turn_away > 0:
            self.faults.turn_away -= 1
            sock.close()
            return
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
        connection: Connection | None = None
        try:
            with gevent.Timeout(_HANDSHAKE_SECONDS):
                tls = self._context.wrap_socket(sock, server_side=True)
            connection = Connection(tls)
            self.connections.add(connection)
            self._converse(connection)
        except (OSError, ValueError, gevent.Timeout):
            pass  # the client went away, this end closed the connection, or it stayed idle
        finally:
            if connection is not None:
                self.connections.discard(connection)
                connection.close()

    def _converse(self, connection: Connection) -> None:
        connection.write(self._greeting())
        while True:
            with gevent.Timeout(self.idle_limit):
                message = connection.read()
            if message is None:
                return
            request = protocol.read(message)
            self.commands[request.command] += 1
            gevent.sleep(self.faults.pause())
            spoiled = self.faults.next_for(request.command)
            if spoiled is not None and not self._spoil(connection, request, spoiled):
                return
            if spoiled is None and not self._answer(connection, request):
                return

    def _answer(self, connection: Connection, request: protocol.Request) -> bool:
        """Answer as a registry does; return whether the connection goes on."""
        if request.command == "hello":
            connection.write(self._greeting())
            return True
        code, reason = self._obey(connection, request)
        if code is None:
            self._count_change(request)
        queue = ""
        if code is None and request.command == "poll":
            code, queue = self._poll(request)
        connection.write(self._reply(request, code, reason=reason, queue=queue))
        return code not in _CLOSING_CODES

    def _obey(self, connection: Connection, request: protocol.Request) -> tuple[int | None, str]:
        """Do what was asked; return the code (None: what the protocol says) and a reason."""
        if not request.command:
            return 2001, ""
        if request.command == "login":
            return self._log_in(connection, request)
        if not connection.logged_in:
            return 2002, self.faults.logged_out_reason
        if request.command == "logout":
            connection.logged_in = False
            return 1500, ""
        return None, ""

    def _count_change(self, request: protocol.Request) -> None:
        if request.command in protocol.CHANGES and request.operation != "query":
            self.changed.update(f"{request.command} {name}" for name in request.names[:1])

    def _poll(self, request: protocol.Request) -> tuple[int, str]:
        """Show the first message, or take it away; return the code and the `<msgQ>` element."""
        if request.operation == "ack":
            if not self.messages or request.message != str(self.messages[0][0]):
                return 2303, ""
            self.messages.popleft()
            return 1000, ""
        if not self.messages:
            return 1300, ""
        number, text = self.messages[0]
        return 1301, protocol.message_queue(number, len(self.messages), text)

    def _log_in(self, connection: Connection, request: protocol.Request) -> tuple[int, str]:
        if connection.logged_in:
            return 2002, "Already logged in"
        if self.faults.refuse_login is not None:
            return self.faults.refuse_login, ""
        if request.credentials != self.credentials:
            return 2200, ""
        if self._sessions() >= self.session_limit:
            return 2502, ""
        connection.logged_in = True
        return 1000, ""

    def _spoil(self, connection: Connection, request: protocol.Request, spoiled: Spoiled) -> bool:
        """Answer as was ordered; return whether the connection goes on."""
        message = self._reply(request, None)
        if spoiled.kind != "result":
            self._count_change(request)  # what is spoiled is the reply
        if spoiled.kind == "truncate":
            connection.socket.sendall(
                struct.pack("!I", len(message) + 4) + message[: len(message) // 2]
            )
            return False
        if spoiled.kind == "oversize":
            connection.socket.sendall(b"\xff\xff\xff\xff" + message)
        elif spoiled.kind == "empty":
            connection.socket.sendall(b"\0\0\0\4")
        elif spoiled.kind == "unreadable":
            connection.write(self._reply(request, None, date="the day before"))
        elif spoiled.kind == "garbage":
            connection.write(b"<epp>" + secrets.token_hex(64).encode())
        elif spoiled.kind == "foreign_cltrid":
            stranger = replace(request, transaction="somebody-else")
            connection.write(self._reply(stranger, None))
        elif spoiled.kind == "result":
            connection.write(self._reply(request, spoiled.code))
            return spoiled.code not in _CLOSING_CODES
        return True

    def _reply(self, request: protocol.Request, code: int | None, **more: str) -> bytes:
        number = f"loopback-{next(self._transactions)}"
        return protocol.reply(request, code, server_transaction=number, **more)

    def _greeting(self) -> bytes:
        return protocol.greeting(datetime.now(timezone.utc).isoformat())
