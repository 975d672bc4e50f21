"""How are logged-in EPP sessions pooled?

A session is more than a socket: it is fit to be lent when it is connected, greeted and logged in,
owes no reply, and no reply has ended it. What makes a session unfit closes it when its lease ends,
with a `<logout>` first where the registry would still listen.

Whether a session is alive can only be asked with a command that needs a login: `<hello>` is
answered to whoever is logged out, too.
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import Any, TypeAlias

from geventconnpool_gov.options import count, seconds
from geventconnpool_gov.pool import ConnectionPool

from .commands import Login, is_harmless
from .errors import CommandError, LoginError, TransportError
from .responses import Response
from .session import EppSession
from .tls import client_context
from .transport import EppTransport

__all__ = ["EppPool"]

_Path: TypeAlias = "str | os.PathLike[str]"

_log = logging.getLogger(__name__)


class EppPool(ConnectionPool):
    """A pool of logged-in sessions with one registry; `with pool.get() as session:` lends one.

    `hostname`, `port`, and `ssl_context` or the certificate's files are `EppTransport`'s; the
    context is built once. `login` opens each session. `command_timeout`, in seconds, bounds one
    command and its whole reply. All other options are `ConnectionPool`'s; `exc_classes` is
    `(OSError, TransportError)` and `fatal_exc_classes` `(LoginError,)` unless given.

    A refused login is told to the waiting callers at once, as `LoginError`; a session limit (2502)
    is waited out, and closes nothing that is open. `keepalive` probes with `<poll op="req"/>`.
    """

    def __init__(
        self,
        size: int,
        *,
        hostname: str,
        port: int = 700,
        login: Login,
        ssl_context: ssl.SSLContext | None = None,
        cert_file: _Path | None = None,
        key_file: _Path | None = None,
        password: str | None = None,
        command_timeout: float = 30.0,
        **options: Any,
    ) -> None:
        if type(hostname) is not str or not hostname:
            raise TypeError(f"hostname must be a name or an address, got {hostname!r}")
        if not 0 < count("port", port) < 65536:
            raise ValueError(f"port must be from 1 to 65535, got {port!r}")
        if not isinstance(login, Login):
            raise TypeError(f"login must be a Login, got a {type(login).__name__}")
        if ssl_context is not None and not hasattr(ssl_context, "wrap_socket"):
            raise TypeError(f"ssl_context must be an SSLContext or None, got {ssl_context!r}")
        seconds("command_timeout", command_timeout)
        if ssl_context is None:
            ssl_context = client_context(cert_file=cert_file, key_file=key_file, password=password)
        elif cert_file is not None or key_file is not None or password is not None:
            raise ValueError("give ssl_context, or the certificate's files; not both")
        self._address = (hostname, port)
        self._login = login
        self._context = ssl_context
        self._command_timeout = command_timeout
        self._connect_timeout = options.get("connect_timeout", 30.0)
        options.setdefault("exc_classes", (OSError, TransportError))
        options.setdefault("fatal_exc_classes", (LoginError,))
        super().__init__(size, **options)

    def send(self, command: str, *, timeout: float | None = None, attempts: int = 3) -> Response:
        """Send `command`, the text inside `<command>`, on any session; return its reply.

        `timeout`, in seconds, replaces `command_timeout` for each attempt; waiting for a session
        is bounded by the pool's `timeout`. When a connection breaks, the command is sent again on
        another session, `attempts` times in all, if it cannot have been executed or executing it
        twice is harmless (see `is_harmless`). A session that turns out to be logged out has
        executed nothing; then another is tried, and that does not count.

        Raises:
            TransportError: no reply. Where `maybe_executed` is true, look before you repeat.
            PoolError: no session; see `get`.
        """
        harmless = is_harmless(command)
        logged_out = 0
        while True:
            try:
                with self.get() as session:
                    response: Response = session.send(command, timeout)
            except TransportError as error:
                attempts -= 1
                if attempts <= 0 or (error.maybe_executed and not harmless):
                    raise
                _log.info("%s; sending the command again on another session", error)
                continue
            if response.logged_out and logged_out < self.size:
                logged_out += 1
            elif response.ends_session and harmless and attempts > 1:
                attempts -= 1
            else:
                return response

    def _new_connection(self) -> EppSession:
        transport = EppTransport(
            *self._address,
            ssl_context=self._context,
            connect_timeout=self._connect_timeout,
            read_timeout=self._command_timeout,
        )
        session = EppSession(transport, command_timeout=self._command_timeout)
        try:
            session.connect()
            session.login(self._login)
        except BaseException:
            session.close()
            raise
        return session

    def _keepalive(self, c: EppSession) -> None:
        # A poll is always in order (RFC 5730, section 2.9.2.3): what refuses it is no session.
        response = c.poll()
        if not response.succeeded:
            raise CommandError(response.code, response.message)

    def _reset(self, c: EppSession) -> None:
        if not c.usable:
            if c.ended_by is not None:
                _log.info("session ended by the registry's reply %d", c.ended_by.code)
            self.discard(c)

    def _close_connection(self, c: EppSession) -> None:
        try:
            if c.usable and c.logged_in:
                c.logout()
        except TransportError as error:
            _log.debug("logout failed: %s", error)
        finally:
            c.close()

    def _socket(self, c: EppSession) -> Any:
        return c.transport.socket
