"""What did the registry say? Its documents, parsed: greetings and responses (RFC 5730).

Read with the standard library's parser. A document type declaration is refused when it begins,
before it can define an entity: RFC 5730 knows none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from .commands import DOMAIN_NAMESPACE, EPP_NAMESPACE
from .errors import TransportError

__all__ = ["Greeting", "Response", "parse"]

_NAMESPACES = {"epp": EPP_NAMESPACE, "domain": DOMAIN_NAMESPACE}

# Codes after which the session is of no use (RFC 5730, section 3). 1500 ends it as asked; the
# server closes after 2500, 2501 and 2502.
_ENDING = frozenset({1500, 2500, 2501, 2502})
_USE_ERROR = 2002
_NOT_LOGGED_IN = re.compile(r"\blog(ged|ging)?[\s_-]?(in|on|out)\b|\bauthenticat", re.IGNORECASE)


@dataclass(frozen=True)
class Greeting:
    """The server's first word, and its answer to `<hello>` (RFC 5730, section 2.4)."""

    server_id: str
    server_date: str
    element: Element = field(repr=False, compare=False)


@dataclass(frozen=True)
class Response:
    """The answer to one command (RFC 5730, section 2.6)."""

    code: int
    message: str
    reasons: tuple[str, ...]
    client_transaction: str | None
    server_transaction: str | None
    element: Element = field(repr=False, compare=False)

    @property
    def succeeded(self) -> bool:
        """Whether the command was carried out: a code of 1xxx (RFC 5730, section 3)."""
        return 1000 <= self.code < 2000

    @property
    def logged_out(self) -> bool:
        """Whether the server refused the command, unexecuted, because nobody is logged in.

        2002 is any error of sequence; only its words tell which. `<hello>` would not tell.
        """
        texts = (self.message, *self.reasons)
        return self.code == _USE_ERROR and any(map(_NOT_LOGGED_IN.search, texts))

    @property
    def ends_session(self) -> bool:
        """Whether the session cannot serve another command."""
        return self.code in _ENDING or self.logged_out

    def texts(self, path: str) -> list[str]:
        """Return the texts at `path` (ElementTree's syntax, prefixes `epp` and `domain`)."""
        found = self.element.findall(path, _NAMESPACES)
        return ["".join(element.itertext()).strip() for element in found]

    def availability(self) -> dict[str, bool]:
        """Return for each name of a domain check whether it is free (RFC 5731, section 3.1.1)."""
        names = self.element.iterfind(".//domain:cd/domain:name", _NAMESPACES)
        return {(name.text or "").strip(): name.get("avail") in ("1", "true") for name in names}


class _NoDoctype(TreeBuilder):
    def doctype(self, *_declaration: object) -> None:
        raise TransportError("reply declares a document type", maybe_executed=True)


def parse(message: bytes) -> Greeting | Response:
    """Return what `message` says.

    Raises:
        TransportError: it is not an EPP greeting or response. The text does not quote it.
    """
    parser = XMLParser(target=_NoDoctype())
    try:
        parser.feed(message)
        root: Element = parser.close()
    except (ParseError, LookupError, ValueError) as error:  # the latter two: an unknown encoding
        raise TransportError(f"reply is not XML: {error}", maybe_executed=True) from error
    greeting = root.find("epp:greeting", _NAMESPACES)
    if greeting is not None:
        return Greeting(
            _text(greeting, "epp:svID") or "", _text(greeting, "epp:svDate") or "", greeting
        )
    response = root.find("epp:response", _NAMESPACES)
    result = None if response is None else response.find("epp:result", _NAMESPACES)
    code = "" if result is None else result.get("code", "")
    if response is None or result is None or not re.fullmatch(r"[12][0-9]{3}", code):
        raise TransportError("reply is not an EPP response with a result", maybe_executed=True)
    return Response(
        code=int(code),
        message=_text(result, "epp:msg") or "",
        reasons=tuple(
            "".join(reason.itertext()).strip()
            for reason in result.iterfind("epp:extValue/epp:reason", _NAMESPACES)
        ),
        client_transaction=_text(response, "epp:trID/epp:clTRID"),
        server_transaction=_text(response, "epp:trID/epp:svTRID"),
        element=response,
    )


def _text(parent: Element, path: str) -> str | None:
    text = parent.findtext(path, None, _NAMESPACES)
    return None if text is None else text.strip()
