"""How does a client talk to a registry? One session over one transport: RFC 5730, section 2.

It behaves as epplib's client does, and keeps three rules besides. A command and its whole reply
have one deadline. A reply counts only if its clTRID is the command's (sections 2.5 and 2.6). And
the client knows what became of the session: whether it is still connected, owes a reply, is logged
in, or was used behind the client's back. `lendable` sums that up for whoever pools sessions.

What is known is read from the documents themselves (`requests`, `responses`). The caller's own
classes see a reply last, when it is the caller's beyond doubt: a class that cannot read it raises,
and the session, which owes nothing, goes on.
"""

from __future__ import annotations

import logging
import secrets
from itertools import count
from time import monotonic
from typing import Any

from .documents import DocumentError
from .errors import TransportError, refusal
from .interface import Request, greeting_class
from .requests import Asked, read_request
from .responses import COMMAND_USE_ERROR, Greeting, Response, read_reply
from .transport import EppTransport

__all__ = ["EppClient"]

_log = logging.getLogger(__name__)


class EppClient:
    """A client over `transport`, as epplib's `Client`: connect, send, close; a context manager.

    `schema` is handed to requests and to response classes, as epplib does; None validates nothing.
    A command and its whole reply take `command_timeout` seconds at most (None: only the
    transport's own limits hold). One greenlet at a time. A command that is interrupted, by
    `gevent.Timeout` or a kill, leaves the client unusable, never with another's reply.

    Besides: `logged_in` is true from `login` until a reply, or a login or logout that a caller
    sends, ends it. `logged_out`: the last reply says that nobody is logged in. `doubtful`: a reply
    2002 did not say why; only a probe can tell. `ended_by`: the code that ended the session.
    """

    def __init__(
        self,
        transport: EppTransport,
        schema: Any = None,
        *,
        command_timeout: float | None = 30.0,
    ) -> None:
        self.schema = schema
        self.logged_in = self.logged_out = self.doubtful = False
        self.ended_by: int | None = None
        self.asked = Asked("")  #: what was sent last
        self._transport = transport
        self._command_timeout = command_timeout
        self._greeting: Any = None
        self._greeting_document: bytes | None = None
        # True from before a command is sent until its own reply is here. The transport cannot know
        # that a reply is owed between the two; a signal may raise there.
        self._unanswered = False
        self._begun = 0  # as much as the transport has, unless somebody went round us
        # Random, not counted, per session: a forked child must not repeat its parent's.
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    def __repr__(self) -> str:
        state = "logged in" if self.logged_in else "not logged in"
        return f"<EppClient {state} over {self._transport!r}>"

    def __enter__(self) -> EppClient:
        self.connect()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def transport(self) -> EppTransport:
        """The transport below. A client whose transport is used directly is not lent again."""
        return self._transport

    @property
    def greeting(self) -> Any:
        """The last greeting, None before the first; read by epplib's class where there is one.

        Raises:
            Whatever that class raises about a greeting that it does not understand.
        """
        if self._greeting is None and self._greeting_document is not None:
            self._greeting = greeting_class().parse(self._greeting_document, self.schema)
        return self._greeting

    @property
    def usable(self) -> bool:
        """Whether a command may be sent: connected, no reply owed, nothing half done, not ended."""
        return self._transport.usable and not self._unanswered and self.ended_by is None

    @property
    def lendable(self) -> bool:
        """Whether the next caller gets what he expects: a usable session, and `login`'s own."""
        return self.usable and self.logged_in and self._begun == self._transport.begun

    def connect(self) -> None:
        """Connect and read the greeting.

        Raises:
            TransportError: no connection, or no greeting; nothing stays open then.
            SessionLimitError, CommandError: the server's first word is a refusal.
        """
        deadline = self._deadline(None)
        self._begun += 1
        self._transport.connect()
        try:
            self._unanswered = True
            document, reply = self._receive(deadline)
            if isinstance(reply, Response):
                if reply.succeeded:
                    raise self._distrust(f"a reply with code {reply.code} came unasked")
                raise refusal(reply.code, reply.msg)
            self._greeting, self._greeting_document = None, document
            self._unanswered = False
        except BaseException:
            self._transport.close()
            raise

    def login(self, request: Request) -> None:
        """Log in by `request` (RFC 5730, section 2.9.1.1).

        Raises:
            LoginError: the registry refuses this login, and will again.
            SessionLimitError: too many sessions are open (2502).
            CommandError: the registry cannot log anybody in at the moment (2400, 2500).
            TransportError: no answer that can be trusted.
        """
        reply = self.ask(request)
        if not reply.succeeded:
            raise refusal(reply.code, self.asked.without_secrets(reply.msg))
        self.logged_in = True

    def send(
        self, request: Request, *, tr_id: str | None = None, timeout: float | None = None
    ) -> Any:
        """Send `request` and return its own reply, as its `response_class` reads it.

        `tr_id` is the clTRID, made up where it is None. `timeout`, in seconds, replaces
        `command_timeout`. Every result code is a reply, also those that end the session.

        Raises:
            TransportError: no reply, or one whose clTRID is another's. `maybe_executed` is true
                when the whole command had been sent. The client cannot be used again.
            DocumentError: `request` does not write an EPP request; nothing was sent.
            Whatever the response class raises (epplib's `ParsingError`): the command was answered,
                and the client can be used again.
        """
        document, reply = self._exchange(request, tr_id, timeout)
        wanted = request.response_class
        if type(reply) is wanted:
            return reply
        try:
            response = wanted.parse(document, self.schema)
        except Exception as error:
            code = f" with code {reply.code}" if isinstance(reply, Response) else ""
            # Not the error's text: epplib's quotes the document.
            _log.warning("%s cannot read a reply%s: %s", wanted, code, type(error).__name__)
            raise
        if isinstance(reply, Greeting):
            self._greeting = response  # the very object, as with epplib's client
        return response

    def ask(self, request: Request, timeout: float | None = None) -> Response:
        """Send a command, and return its reply as this package reads it; else as `send`."""
        _, reply = self._exchange(request, None, timeout)
        if not isinstance(reply, Response):
            raise DocumentError("a hello is answered by a greeting, not by a response")
        return reply

    def close(self) -> None:
        """Close the connection, logged out or not; does not switch and may be repeated."""
        self.logged_in = False
        self._transport.close()

    def _exchange(
        self, request: Request, tr_id: str | None, timeout: float | None
    ) -> tuple[bytes, Greeting | Response]:
        document = request.xml(
            tr_id=tr_id or f"{self._prefix}-{next(self._numbers)}", schema=self.schema
        )
        try:
            asked = read_request(document)
        except DocumentError as error:
            raise DocumentError(f"nothing was sent: the request {error}") from None
        if self.ended_by is not None:
            raise TransportError(f"session was ended by a reply with code {self.ended_by}")
        if self._unanswered:
            raise TransportError("session unusable: an earlier command was not answered")
        deadline = self._deadline(timeout)
        self._unanswered = True
        self.asked = asked
        if asked.kind in ("login", "logout"):
            self.logged_in = False  # from now on it is not known whose session it is
        self._begun += 1
        self._transport.send(document, _left(deadline))
        raw, reply = self._receive(deadline)
        self._must_answer(asked, reply)
        if isinstance(reply, Greeting):
            self._greeting, self._greeting_document = None, raw
        else:
            self._judge(asked, reply)
        self._unanswered = False  # last: what became of the session is known by now
        return raw, reply

    def _receive(self, deadline: float | None) -> tuple[bytes, Greeting | Response]:
        self._begun += 1
        document = self._transport.receive(_left(deadline))
        try:
            return document, read_reply(document)
        except DocumentError as error:
            raise self._distrust(f"reply {error}") from None

    def _must_answer(self, asked: Asked, reply: Greeting | Response) -> None:
        if isinstance(reply, Greeting):
            if asked.kind != "hello":
                raise self._distrust("a greeting came in answer to a command")
        elif asked.kind == "hello":
            raise self._distrust(f"a reply with code {reply.code} came instead of a greeting")
        elif reply.cl_tr_id != asked.transaction:
            whose = "another" if reply.cl_tr_id else "no"
            raise self._distrust(f"a reply with code {reply.code} and {whose} clTRID came")

    def _judge(self, asked: Asked, reply: Response) -> None:
        """Conclude from a reply what became of the session."""
        self.logged_out = False
        if reply.closing:
            self.ended_by, self.logged_in = reply.code, False
        elif asked.kind in ("login", "logout"):
            pass  # a use error means these themselves
        elif reply.logged_out:
            self.logged_out, self.logged_in = True, False
        elif reply.code == COMMAND_USE_ERROR:
            self.doubtful = True
        elif reply.succeeded or reply.code // 100 == 23:  # the registry looked at its objects
            self.doubtful = False

    def _distrust(self, reason: str) -> TransportError:
        self._transport.abandon(reason)
        return TransportError(reason, maybe_executed=True)

    def _deadline(self, timeout: float | None) -> float | None:
        seconds = self._command_timeout if timeout is None else timeout
        return None if seconds is None else monotonic() + seconds


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - monotonic())
