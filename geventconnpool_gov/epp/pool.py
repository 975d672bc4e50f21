"""How are logged-in EPP sessions pooled?

A session is more than a socket: it is fit to be lent when it is connected, greeted and logged in,
owes no reply, and no reply has ended it. What makes a session unfit closes it when its lease ends,
with a `<logout>` first where the registry would still listen.

Whether a session is logged in can only be asked with a command that needs a login: `<hello>` is
answered to whoever is logged out, too.
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import Any, TypeAlias

from geventconnpool_gov.options import count, seconds
from geventconnpool_gov.pool import ConnectionPool

from .client import EppClient
from .commands import Logout, PollRequest
from .documents import DocumentError
from .errors import CommandError, LoginError, TransportError
from .interface import Request
from .requests import Asked, read_request
from .tls import client_context
from .transport import EppTransport

__all__ = ["EppPool"]

_Path: TypeAlias = "str | os.PathLike[str]"

# Replies to a probe that do not show a login: the command was refused before the registry looked
# at anything (RFC 5730, section 3: x0xx syntax, x1xx implementation, x2xx security, x5xx
# connection). After 24xx, server system, nothing is known, and the next probe asks again.
_SHOW_NO_LOGIN = frozenset({20, 21, 22, 25})

_log = logging.getLogger(__name__)


class EppPool(ConnectionPool):
    """A pool of logged-in sessions with one registry; `with pool.get() as client:` lends one.

    `hostname`, `port`, and `ssl_context` or the certificate's files are `EppTransport`'s; the
    context is built once. `login`, epplib's Login command or one of the same shape, opens each
    session. `command_timeout`, in seconds, bounds one command and its whole reply. `probe` is what
    the keepalive and `check_after` send: a query that needs a login (None: `<poll op="req"/>`).
    `schema` is handed to requests and response classes, as epplib's `Client` does. All other
    options are `ConnectionPool`'s; `exc_classes` is `(OSError, TransportError)` and
    `fatal_exc_classes` `(LoginError,)` unless given.

    What is lent is an `EppClient`; `send` is the short way. A refused login is told to the waiting
    callers at once, as `LoginError`; a session limit (2502) is waited out, and closes nothing that
    is open.

    Raises:
        TypeError, ValueError: an argument is not as described; the text names it.
        OSError: a certificate's file cannot be used.
    """

    def __init__(
        self,
        size: int,
        *,
        hostname: str,
        port: int = 700,
        login: Request,
        ssl_context: ssl.SSLContext | None = None,
        cert_file: _Path | None = None,
        key_file: _Path | None = None,
        password: str | None = None,
        command_timeout: float = 30.0,
        probe: Request | None = None,
        schema: Any = None,
        **options: Any,
    ) -> None:
        if type(hostname) is not str or not hostname:
            raise TypeError(f"hostname must be a name or an address, got {hostname!r}")
        if not 0 < count("port", port) < 65536:
            raise ValueError(f"port must be from 1 to 65535, got {port!r}")
        asked = _asked("login", login, schema)
        if asked.kind != "login":
            raise ValueError(f"login must be a Login command, got a {type(login).__name__}")
        if asked.changes_password:
            raise ValueError("login must not change the password: only the first would be accepted")
        probe = PollRequest() if probe is None else probe
        asked = _asked("probe", probe, schema)
        if not asked.harmless or asked.kind == "hello":
            raise ValueError("probe must be a query that needs a login: poll, check or info")
        if ssl_context is not None and not hasattr(ssl_context, "wrap_socket"):
            raise TypeError(f"ssl_context must be an SSLContext or None, got {ssl_context!r}")
        seconds("command_timeout", command_timeout)
        if ssl_context is None:
            ssl_context = client_context(cert_file=cert_file, key_file=key_file, password=password)
        elif cert_file is not None or key_file is not None or password is not None:
            raise ValueError("give ssl_context, or the certificate's files; not both")
        self._address = (hostname, port)
        self._login = login
        self._probe = probe
        self._schema = schema
        self._context = ssl_context
        self._command_timeout = command_timeout
        options.setdefault("exc_classes", (OSError, TransportError))
        options.setdefault("fatal_exc_classes", (LoginError,))
        super().__init__(size, **options)

    def send(self, command: Request, timeout: float | None = None, *, attempts: int = 3) -> Any:
        """Send `command` on any session; return its reply, whatever its result code.

        `timeout`, in seconds, replaces `command_timeout` for each attempt; waiting for a session
        is bounded by the pool's `timeout`. When a connection breaks, the command is sent again on
        another session, `attempts` times in all, if it cannot have been executed, or if executing
        it twice is harmless: hello, check, info, poll request, transfer query. What decides is the
        document that was sent. A session that turns out to be logged out has executed nothing;
        then another is tried, and that does not count.

        Raises:
            TransportError: no reply. Where `maybe_executed` is true, look before you repeat.
            DocumentError: `command` does not write an EPP request; nothing was sent.
            PoolError: no session; see `get`.
            Whatever the response class raises (epplib's `ParsingError`): the command was answered.
        """
        logged_out = 0
        while True:
            client: EppClient | None = None
            try:
                with self.get() as client:
                    response = client.send(command, timeout=timeout)
                    harmless = client.asked.harmless
                    self._resolve(client)
                    refused, ended = client.logged_out, client.ended_by
            except TransportError as error:
                attempts -= 1
                harmless = client is not None and client.asked.harmless
                if attempts <= 0 or (error.maybe_executed and not harmless):
                    raise
                _log.info("%s; sending the command again on another session", error)
                continue
            if refused and logged_out < self._core.ledger.limit:
                logged_out += 1
            elif ended and harmless and attempts > 1:
                attempts -= 1
            else:
                return response

    def _resolve(self, client: EppClient) -> None:
        """Find out what a reply 2002 meant that did not say: only a probe can tell.

        Where the probe is not answered either, the session ends, and 2002 is all there is to say.
        """
        if client.doubtful:
            try:
                self._keepalive(client)
            except CommandError:
                client.logged_out, client.logged_in = True, False
            except TransportError as error:
                _log.info("%s; the session was in doubt", error)

    def _new_connection(self) -> EppClient:
        transport = EppTransport(
            *self._address,
            ssl_context=self._context,
            connect_timeout=None,  # the pool's own bounds all of this
            read_timeout=self._command_timeout,
        )
        client = EppClient(transport, self._schema, command_timeout=self._command_timeout)
        try:
            client.connect()
            client.login(self._login)
        except BaseException:
            client.close()
            raise
        return client

    def _keepalive(self, c: EppClient) -> None:
        reply = c.ask(self._probe, self._core.options.check_timeout)
        if reply.code // 100 in _SHOW_NO_LOGIN:
            raise CommandError(reply.code, reply.msg)
        c.doubtful = False

    def _reset(self, c: EppClient) -> None:
        c.schema = self._schema
        if c.lendable:
            self._resolve(c)
        if not c.lendable:
            if c.ended_by is not None:
                _log.info("session ended by the registry's reply %d", c.ended_by)
            self.discard(c)

    def _close_connection(self, c: EppClient) -> None:
        try:
            if c.usable and c.logged_in:
                c.ask(Logout())
        except TransportError as error:
            _log.debug("logout failed: %s", error)
        finally:
            c.close()

    def _socket(self, c: EppClient) -> Any:
        return c.transport.socket


def _asked(argument: str, request: Any, schema: Any) -> Asked:
    """What a request given as an argument asks."""
    if not (callable(getattr(request, "xml", None)) and hasattr(request, "response_class")):
        raise TypeError(f"{argument} must be an EPP request, got a {type(request).__name__}")
    try:
        return read_request(request.xml(tr_id="trial", schema=schema))
    except DocumentError as error:
        raise ValueError(f"{argument}: its document {error}") from None
