"""How does a TCP echo server misbehave? By chance, while it is told to; in a process of its own.

A request is a line; the reply is that line and the port from which it came. So a client can tell
that a reply is its own and came over its own connection.

Run as `python -m soak.echo_process SEED DESCRIPTOR`. Over the socket of that descriptor it sends a
JSON line with its port, then obeys one JSON line after the other, and ends when they end.
"""

from __future__ import annotations

import json
import random
import socket as stdlib_socket
import struct
import sys
from collections import Counter
from typing import Any

import gevent
import gevent.socket
from gevent.server import StreamServer

HOST = "127.0.0.1"
OFTEN_REFUSED, OFTEN_SPOILED = 0.06, 0.03  # parts of the connects, and of the requests
IDLE_FAULT_EVERY = 0.25  # seconds, on average: something befalls a connection, busy or idle
SPOILS = (
    *("reset", "closed", "half a reply", "half a reply, then closed", "half a reply, then reset"),
    *("silence", "slow", "late", "drip", "closed one way", "extra"),
)
SLOW, LATE, SILENT = 0.15, 0.8, 1.0  # seconds; clients wait for less than the latter two


class Server:
    """The echo server: who is connected, and what was done to whom."""

    def __init__(self, seed: int) -> None:
        self.rude = False
        self.faults: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._sockets: set[Any] = set()
        self._listener = self._listen(0)
        self.port = int(self._listener.server_port or 0)
        gevent.spawn(self._disturb)

    def obey(self, do: str, options: dict[str, Any]) -> Any:
        """Carry out one order; return its answer."""
        if do == "behave":
            self.rude = options["rude"]
        elif do == "down":
            self.faults["connects refused"] += 1
            self._listener.stop()
            gevent.sleep(options["seconds"])
            self._listener = self._listen(self.port)
        return {"connections": len(self._sockets), "faults": dict(self.faults)}

    def _listen(self, port: int) -> StreamServer:
        server = StreamServer((HOST, port), self._serve, backlog=512)
        server.start()
        return server

    def _happens(self, part: float, *kinds: str) -> str:
        """Return one of these faults, or none."""
        if not self.rude or self._chance.random() >= part:
            return ""
        kind = self._chance.choice(kinds)
        self.faults[kind] += 1
        return kind

    def _serve(self, sock: Any, address: tuple[str, int]) -> None:
        self._sockets.add(sock)
        try:
            sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
            kind = self._happens(OFTEN_REFUSED, "reset at accept", "closed at accept", "mute")
            if kind == "mute":
                gevent.sleep(SILENT)
            if kind == "reset at accept":
                reset(sock)
            elif not kind:
                self._converse(sock, b" %d\n" % address[1])
        except OSError:
            pass  # the client went, or something befell the connection
        finally:
            self._sockets.discard(sock)
            sock.close()

    def _converse(self, sock: Any, ending: bytes) -> None:
        waiting = b""
        while data := sock.recv(4096):
            *requests, waiting = (waiting + data).split(b"\n")
            for request in requests:
                if not self._answer(sock, request + ending):
                    return

    def _answer(self, sock: Any, reply: bytes) -> bool:
        """Send one reply, spoiled by chance; return whether the connection goes on."""
        half = len(reply) // 2
        kind = self._happens(OFTEN_SPOILED, *SPOILS)
        if kind in ("reset", "closed"):
            reply = b""
        elif kind == "silence":
            return True
        elif kind.startswith("half a reply"):
            reply = reply[:half]
        elif kind == "slow":
            gevent.sleep(self._chance.uniform(0, SLOW))
        elif kind == "late":
            gevent.sleep(LATE)
        elif kind == "drip":
            for octet in reply[:-1]:
                sock.sendall(bytes([octet]))
                gevent.sleep(0.002)
            reply = reply[-1:]
        elif kind == "extra":
            reply += b"!nobody asked\n"
        sock.sendall(reply)
        if kind == "closed one way":
            sock.shutdown(stdlib_socket.SHUT_WR)
        elif kind.endswith("reset"):
            reset(sock)
        return not kind.endswith(("reset", "closed"))

    def _disturb(self) -> None:
        """Let something befall connections whether they are in use or not."""
        while True:
            gevent.sleep(self._chance.expovariate(1 / IDLE_FAULT_EVERY))
            if self._sockets and (kind := self._happens(1.0, "dropped", "cut off", "unasked")):
                sock = self._chance.choice(sorted(self._sockets, key=lambda each: each.fileno()))
                try:
                    if kind == "unasked":
                        sock.sendall(b"!nobody asked\n")
                    elif kind == "cut off":
                        reset(sock)
                    else:
                        sock.shutdown(stdlib_socket.SHUT_RDWR)
                except OSError:
                    pass  # it ended at this moment by itself


def reset(sock: Any) -> None:
    """Close a socket by RST."""
    sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def main(seed: int, descriptor: int) -> None:
    """Serve until the socket that brings orders ends, which it does with whoever gives them."""
    server = Server(seed)
    with gevent.socket.socket(fileno=descriptor) as control, control.makefile("rw") as lines:
        lines.write(json.dumps({"port": server.port}) + "\n")
        lines.flush()
        for line in lines:
            order = json.loads(line)
            answer = server.obey(order.pop("do"), order)
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
