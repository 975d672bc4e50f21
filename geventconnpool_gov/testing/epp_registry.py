"""How do tests and the demo get a registry to talk to? One on loopback, in a process of its own.

    with EppRegistry(session_limit=8) as registry:
        with EppPool(5, **registry.pool_arguments()) as pool:
            ...
            registry.fault("restart", down=0.5)

It speaks TLS 1.3 with an authority of its own making (needs `trustme`), and EPP: greeting, login,
logout, hello, check, info, create, update, renew, delete, transfer, poll. `epp_protocol` tells what
it answers. It ends with this process, however that ends. In pytest, `fixtures.epp_registry` is one.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import gevent
from gevent.fileobject import FileObjectPosix
from gevent.lock import RLock

from geventconnpool_gov.epp.commands import Login
from geventconnpool_gov.epp.tls import client_context

from .epp_protocol import OBJECTS

__all__ = ["EppRegistry"]

_SERVER = "geventconnpool_gov.testing.epp_process"
_FOLDER = Path(__file__).resolve().parents[2]


class _TooLongError(Exception):
    """The process did not end in time."""


class EppRegistry:
    """An EPP registry on loopback; a context manager, or `start()` and `stop()`.

    `session_limit`: more logins at a time are answered 2502. `idle_limit`: seconds without a
    command after which a connection is closed. `client_certificate`: whether clients must show
    one. Attributes once started: `host`, `port`, `ca_file`, `client_file` (certificate and key of
    a client), `credentials`, a pair of client identifier and password made at each start, and
    `login`, a command with these.
    """

    host: str
    port: int
    ca_file: str
    client_file: str
    credentials: tuple[str, str]
    login: Login

    def __init__(
        self,
        *,
        session_limit: int = 100,
        idle_limit: float | None = None,
        client_certificate: bool = False,
    ) -> None:
        self._settings = {
            "session_limit": session_limit,
            "idle_limit": idle_limit,
            "client_certificate": client_certificate,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._lock = RLock()

    def __enter__(self) -> EppRegistry:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self, timeout: float = 30.0) -> None:
        """Start the process and wait until it accepts connections.

        Raises:
            RuntimeError: it ended instead; its standard error says why.
            gevent.Timeout: it was not ready within `timeout` seconds.
        """
        # Pipes of our own, not Popen's: these are cooperative with and without monkey-patching,
        # and gevent's own Popen would take over SIGCHLD for the whole process.
        orders_out, orders_in = os.pipe()
        answers_out, answers_in = os.pipe()
        paths = [str(_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._orders = FileObjectPosix(orders_in, "wb")
        self._answers = FileObjectPosix(answers_out, "rb")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _SERVER, json.dumps(self._settings)],
                stdin=orders_out,
                stdout=answers_in,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        finally:
            os.close(orders_out)
            os.close(answers_in)
        try:
            with gevent.Timeout(timeout):
                ready = self._answer()
        except BaseException:
            self.stop()
            raise
        self.host, self.port = ready["host"], ready["port"]
        self.ca_file, self.client_file = ready["ca_file"], ready["client_file"]
        self.credentials = (ready["credentials"][0], ready["credentials"][1])
        self.login = Login(*self.credentials, obj_uris=list(OBJECTS))

    def stop(self, timeout: float = 5.0) -> int | None:
        """End the process, by force after `timeout` seconds; return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            self._orders.close()
            with gevent.Timeout(timeout, _TooLongError):
                while self._answers.readline():
                    pass
                return process.wait(timeout)
        except (_TooLongError, subprocess.TimeoutExpired):
            pass
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._answers.close()
        return process.returncode

    def client_context(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        """Return a context for clients that trusts this registry alone."""
        cert_file = self.client_file if with_certificate else None
        return client_context(ca_file=self.ca_file, cert_file=cert_file)

    def pool_arguments(self) -> dict[str, Any]:
        """Return what an `EppPool` needs in order to open sessions here."""
        return {
            "hostname": self.host,
            "port": self.port,
            "login": self.login,
            "ssl_context": self.client_context(),
        }

    @property
    def sessions(self) -> int:
        """How many sessions are logged in now, by the registry's own count."""
        return int(self.figures()["sessions"])

    @property
    def connections(self) -> int:
        """How many TLS connections are open now, logged in or not."""
        return int(self.figures()["connections"])

    @property
    def commands(self) -> dict[str, int]:
        """How many of each command have come since the start, by name."""
        return dict(self.figures()["commands"])

    def figures(self) -> dict[str, Any]:
        """Return `sessions`, `connections` and `commands`, all of the same instant."""
        return dict(self._order("figures"))

    def changes(self, *, forget: bool = False) -> dict[str, int]:
        """Return how often each create, renew, update, delete and transfer was executed.

        By command and object: `{"renew example.test": 1}`; whether the client learned of it or
        not. `forget`: the next call counts from here.
        """
        return dict(self._order("changes", forget=forget))

    def post(self, text: str) -> int:
        """Put a message into the registrar's queue, for `<poll>`; return its number."""
        return int(self._order("post", text=text))

    def reset(self) -> None:
        """Call all faults off, drop everybody, empty the queue, and count from nothing."""
        self._order("reset")

    def fault(self, kind: str, **options: Any) -> Any:
        """Let the registry misbehave; return when it does.

        At once: `drop` (`number`: so many logged-in connections, else all; `reset=True`: by RST),
        `log_out` (`number`; ends sessions and tells nobody; `reason`: what the reply 2002 to the
        next command adds, `""` nothing), `restart` (`down`: seconds before it listens again on the
        same port); these return how many were hit.
        Until called off: `delay` (`seconds` before each reply, and up to `spread` more at random),
        `refuse_login` (`code`, 2200; None: no longer), `session_limit` (`limit`; beyond it logins
        are answered 2502), `black_hole` (`on`; new connections are accepted and get no octet before
        it is called off).
        For the next `count` connections: `turn_away` (closed before TLS).
        For the next `count` replies, or the next to `command`: `truncate`, `garbage`, `oversize`
        (a frame length of 4 GiB), `empty` (a frame that carries nothing), `foreign_cltrid`,
        `silence`, `unreadable` (in order, but with a date that is none), `result` (`code`).
        `clear` calls everything off.

        Raises:
            ValueError: no such fault, or not with these options.
        """
        return self._order(kind, **options)

    def _order(self, do: str, **options: Any) -> Any:
        number = next(self._numbers)
        with self._lock:
            line = json.dumps({"id": number, "do": do, "options": options}) + "\n"
            self._orders.write(line.encode())
            self._orders.flush()
            answer = self._answer()
            while answer["id"] != number:  # an earlier caller was interrupted before its own came
                answer = self._answer()
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["value"]

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the registry process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
