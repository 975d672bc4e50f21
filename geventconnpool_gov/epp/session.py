"""How does a client talk to a registry? One session over one transport: RFC 5730, section 2.

The client numbers each command with a clTRID of its own (section 2.5) and takes no reply that does
not repeat it (section 2.6). A session ends in one of three ways: the client logs out, the registry
says so with a result code, or the transport becomes unusable. `usable` tells whether it still
stands; whoever pools sessions lends no other.
"""

from __future__ import annotations

import secrets
from itertools import count
from time import monotonic

from . import commands
from .commands import Login
from .errors import CommandError, LoginError, SessionLimitError, TransportError
from .responses import Greeting, Response, parse
from .transport import EppTransport

__all__ = ["EppSession"]

_REFUSED = {2200, 2501}
_SESSION_LIMIT = 2502


class EppSession:
    """A client's session over `transport`: connect, login, commands, logout, close.

    A command and its whole reply take `command_timeout` seconds at most (None: only the
    transport's own limits hold). One greenlet at a time. A command that is interrupted, by
    `gevent.Timeout` or a kill, leaves the session unusable, never with another's reply.
    """

    def __init__(self, transport: EppTransport, *, command_timeout: float | None = 30.0) -> None:
        self.transport = transport
        self.command_timeout = command_timeout
        self.greeting: Greeting | None = None
        self.logged_in = False
        self.ended_by: Response | None = None
        # True from before a command is sent until its own reply is here. The transport cannot know
        # that a reply is owed between the two; a signal may raise there.
        self._unanswered = False
        # Random, not counted, per session: a forked child must not repeat its parent's.
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    def __repr__(self) -> str:
        state = "logged in" if self.logged_in else "not logged in"
        return f"<EppSession {state} over {self.transport!r}>"

    @property
    def usable(self) -> bool:
        """Whether a command may be sent: connected, no reply owed, nothing half done, not ended."""
        return self.transport.usable and not self._unanswered and self.ended_by is None

    def connect(self) -> Greeting:
        """Connect and read the greeting.

        Raises:
            TransportError: no connection, or no greeting; nothing stays open.
        """
        self.transport.connect()
        try:
            self._unanswered = True
            return self._greeting(self._receive(self._deadline(None)))
        except BaseException:
            self.transport.close()
            raise

    def login(self, login: Login) -> Response:
        """Log in (RFC 5730, section 2.9.1.1).

        Raises:
            LoginError: the registry refuses these credentials (2200, 2501).
            SessionLimitError: too many sessions are open (2502).
            CommandError: any other refusal.
            TransportError: no answer that can be trusted.
        """
        response = self.send(login.command())
        if response.succeeded:
            self.logged_in = True
            return response
        message = login.without_secrets(response.message)
        if response.code in _REFUSED:
            raise LoginError(response.code, message)
        if response.code == _SESSION_LIMIT:
            raise SessionLimitError(response.code, message)
        raise CommandError(response.code, message)

    def logout(self) -> Response:
        """Log out; the server answers 1500 and closes (RFC 5730, section 2.9.1.2)."""
        return self.send(commands.LOGOUT)

    def hello(self) -> Greeting:
        """Ask for the greeting again. It comes on a session that was logged out, too."""
        return self._greeting(self._exchange(commands.HELLO, None))

    def poll(self) -> Response:
        """Ask for the next message in the queue, leaving it there: a probe that needs a login."""
        return self.send(commands.POLL_REQUEST)

    def check(self, *names: str) -> dict[str, bool]:
        """Return for each domain whether it can be registered (RFC 5731, section 3.1.1).

        Raises:
            CommandError: the registry answered with an error.
        """
        response = self.send(commands.check_domains(names))
        if not response.succeeded:
            raise CommandError(response.code, response.message)
        return response.availability()

    def info(self, name: str) -> Response:
        """Return what the registry holds about one domain (RFC 5731, section 3.1.2)."""
        return self.send(commands.info_domain(name))

    def send(self, command: str, timeout: float | None = None) -> Response:
        """Send `command`, the text inside `<command>`, and return its own reply, whatever its code.

        `timeout`, in seconds, replaces `command_timeout`.

        Raises:
            TransportError: no reply, or one whose clTRID is another's. `maybe_executed` is true
                when the whole command had been sent.
        """
        transaction = f"{self._prefix}-{next(self._numbers)}"
        response = self._exchange(commands.document(command, transaction), timeout)
        if not isinstance(response, Response):
            raise self._distrust("a greeting came in answer to a command")
        if response.client_transaction != transaction:
            raise self._distrust(
                f"a reply with code {response.code} and "
                f"{'another' if response.client_transaction else 'no'} clTRID came in answer"
            )
        self._unanswered = False
        if response.ends_session:
            self.ended_by = response
            self.logged_in = False
        return response

    def close(self) -> None:
        """Close the connection, logged out or not; does not switch and may be repeated."""
        self.logged_in = False
        self.transport.close()

    def _exchange(self, message: bytes, timeout: float | None) -> Greeting | Response:
        if self.ended_by is not None:
            raise TransportError(f"session was ended by a reply with code {self.ended_by.code}")
        if self._unanswered:
            raise TransportError("session unusable: an earlier command was not answered")
        deadline = self._deadline(timeout)
        self._unanswered = True
        self.transport.send(message, _left(deadline))
        return self._receive(deadline)

    def _greeting(self, greeting: Greeting | Response) -> Greeting:
        if not isinstance(greeting, Greeting):
            raise self._distrust(f"a reply with code {greeting.code} came instead of a greeting")
        self._unanswered = False
        self.greeting = greeting
        return greeting

    def _receive(self, deadline: float | None) -> Greeting | Response:
        message = self.transport.receive(_left(deadline))
        try:
            return parse(message)
        except TransportError as error:
            self.transport.abandon(str(error))
            raise

    def _distrust(self, reason: str) -> TransportError:
        self.transport.abandon(reason)
        return TransportError(reason, maybe_executed=True)

    def _deadline(self, timeout: float | None) -> float | None:
        seconds = self.command_timeout if timeout is None else timeout
        return None if seconds is None else monotonic() + seconds


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - monotonic())
