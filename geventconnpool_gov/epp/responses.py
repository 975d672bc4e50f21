"""What did the registry say, as far as a session must know? Greetings and responses, RFC 5730.

The rules of a session are decided by what is read here, whatever class the caller has his answers
read by, and whether or not that class understands them. Without epplib these classes are the
answers, too: their attributes have epplib's names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from .documents import EPP, EPP_NAMESPACE, DocumentError, child_text, root_of

__all__ = ["COMMAND_USE_ERROR", "Greeting", "Response", "read_reply"]

# Codes after which the server closes (RFC 5730, section 3). 1500 ends the session as asked.
_CLOSING = frozenset({1500, 2500, 2501, 2502})
COMMAND_USE_ERROR = 2002
_NOT_LOGGED_IN = re.compile(r"\blog(ged|ging)?[\s_-]?(in|on|out)\b|\bauthenticat", re.IGNORECASE)


@dataclass(frozen=True)
class Greeting:
    """The server's first word, and its answer to `<hello>` (RFC 5730, section 2.4)."""

    sv_id: str
    sv_date: str
    element: Element = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw_response: bytes, schema: Any = None) -> Greeting:  # noqa: ARG003  epplib's
        """Read a greeting; `schema` is epplib's argument, and is not used.

        Raises:
            DocumentError: it is none.
        """
        reply = read_reply(raw_response)
        if not isinstance(reply, Greeting):
            raise DocumentError("is a response, not a greeting")
        return reply


@dataclass(frozen=True)
class Response:
    """The answer to one command (RFC 5730, section 2.6); the first of several results counts."""

    code: int
    msg: str
    reasons: tuple[str, ...]
    cl_tr_id: str | None
    sv_tr_id: str | None
    element: Element = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw_response: bytes, schema: Any = None) -> Response:  # noqa: ARG003  epplib's
        """Read a response; `schema` is epplib's argument, and is not used.

        Raises:
            DocumentError: it is none.
        """
        reply = read_reply(raw_response)
        if not isinstance(reply, Response):
            raise DocumentError("is a greeting, not a response")
        return reply

    @property
    def succeeded(self) -> bool:
        """Whether the command was carried out: a code of 1xxx (RFC 5730, section 3)."""
        return 1000 <= self.code < 2000

    @property
    def closing(self) -> bool:
        """Whether the server closes the connection after this: 1500, 2500, 2501, 2502."""
        return self.code in _CLOSING

    @property
    def logged_out(self) -> bool:
        """Whether the server says that it refused the command because nobody is logged in.

        2002 is any error of sequence; where its words do not tell, a probe must.
        """
        texts = (self.msg, *self.reasons)
        return self.code == COMMAND_USE_ERROR and any(map(_NOT_LOGGED_IN.search, texts))

    def texts(self, path: str) -> list[str]:
        """Return the texts at `path` (ElementTree's syntax; `epp` is EPP's own namespace)."""
        found = self.element.findall(path, {"epp": EPP_NAMESPACE})
        return ["".join(element.itertext()).strip() for element in found]


def read_reply(document: bytes) -> Greeting | Response:
    """Return what `document` says.

    Raises:
        DocumentError: it is not an EPP greeting or response.
    """
    root = root_of(document)
    greeting = root.find(f"{EPP}greeting")
    if greeting is not None:
        sv_id, sv_date = (child_text(greeting, f"{EPP}{tag}") for tag in ("svID", "svDate"))
        return Greeting(sv_id or "", sv_date or "", greeting)
    response = root.find(f"{EPP}response")
    result = None if response is None else response.find(f"{EPP}result")
    code = "" if result is None else result.get("code", "")
    if response is None or result is None or not re.fullmatch(r"[12][0-9]{3}", code, re.ASCII):
        raise DocumentError("is not an EPP response with a result")
    reasons = result.iterfind(f"{EPP}extValue/{EPP}reason")
    return Response(
        code=int(code),
        msg=child_text(result, f"{EPP}msg") or "",
        reasons=tuple("".join(reason.itertext()).strip() for reason in reasons),
        cl_tr_id=child_text(response, f"{EPP}trID/{EPP}clTRID"),
        sv_tr_id=child_text(response, f"{EPP}trID/{EPP}svTRID"),
        element=response,
    )
