"""How does a client use the echo server? One request at a time, each with a text of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import gevent
import gevent.socket
from gevent.lock import RLock

from geventconnpool_gov import ConnectionPool
from soak.echo_process import HOST


class EchoClient:
    """A connection to the echo server; knows whether a reply is still owed."""

    def __init__(self, port: int, patience: float) -> None:
        self.owed = False
        self.socket = gevent.socket.socket()
        try:
            self.socket.settimeout(patience)
            self.socket.connect((HOST, port))
            self.port = int(self.socket.getsockname()[1])
        except BaseException:
            self.socket.close()
            raise

    def ask(self, text: str) -> str:
        """Send one request and return the line that answers it."""
        self.send(text)
        reply = b""
        while not reply.endswith(b"\n"):
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError("closed in the middle of a reply" if reply else "closed")
            reply += piece
        if b"!" in reply:
            raise ConnectionError("a line came that nobody asked for")
        self.owed = False
        return reply.decode().rstrip("\n")

    def send(self, text: str) -> None:
        """Send one request and leave its reply to come."""
        self.owed = True
        self.socket.sendall(text.encode() + b"\n")

    def proves(self, reply: str, text: str) -> bool:
        """Tell whether `reply` is the answer to `text`, and came over this connection."""
        return reply == f"{text} {self.port}"

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class EchoPool(ConnectionPool):
    """A pool of clients of the echo server: a plain socket, a keepalive, a check and a reset."""

    def __init__(self, size: int, *, port: int, patience: float, **options: Any) -> None:
        self._port, self._patience, self._probes = port, patience, 0
        super().__init__(size, **options)

    def _new_connection(self) -> EchoClient:
        return EchoClient(self._port, self._patience)

    def _keepalive(self, c: EchoClient) -> None:
        self._probes += 1
        text = f"probe-{self._probes}"
        if not c.proves(c.ask(text), text):
            raise ConnectionError("a probe got the reply to something else")

    def _check(self, c: EchoClient) -> None:
        self._keepalive(c)

    def _reset(self, c: EchoClient) -> None:
        if c.owed:
            raise ConnectionError("a reply is owed")

    def _socket(self, c: EchoClient) -> Any:
        return c.socket


class EchoServer:
    """The echo server's process; a context manager."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = RLock()

    def __enter__(self) -> EchoServer:
        self._control, theirs = gevent.socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "soak.echo_process", str(self._seed), str(descriptor)],
                pass_fds=[descriptor],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._lines = self._control.makefile("rw")
        with gevent.Timeout(30.0):
            self.port = int(json.loads(self._lines.readline())["port"])
        return self

    def __exit__(self, *_exception: object) -> None:
        self._lines.close()
        self._control.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def order(self, do: str, **options: Any) -> dict[str, Any]:
        """Have the server do something; return its `connections`, and its `faults` by kind."""
        with self._lock:
            self._lines.write(json.dumps({"do": do, **options}) + "\n")
            self._lines.flush()
            answer: dict[str, Any] = json.loads(self._lines.readline())
            return answer
