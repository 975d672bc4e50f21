"""What does the test registry answer? Requests in, documents out; no sockets, no clock.

Every answer about a domain is a function of its name alone: names whose first label begins with
`free` are not registered, all others are, and the repository identifier of a domain is made from
its name by `roid_of`. So a client can prove that the reply it got is its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape

__all__ = ["MESSAGES", "Request", "greeting", "is_registered", "read", "reply", "roid_of"]

_EPP = "urn:ietf:params:xml:ns:epp-1.0"
_DOMAIN = "urn:ietf:params:xml:ns:domain-1.0"
_NS = {"e": _EPP, "d": _DOMAIN}
_HEAD = f'<?xml version="1.0" encoding="UTF-8"?><epp xmlns="{_EPP}">'

# RFC 5730, section 3.
MESSAGES = {
    1000: "Command completed successfully",
    1300: "Command completed successfully; no messages",
    1500: "Command completed successfully; ending session",
    2001: "Command syntax error",
    2002: "Command use error",
    2101: "Unimplemented command",
    2200: "Authentication error",
    2303: "Object does not exist",
    2400: "Command failed",
    2500: "Command failed; server closing connection",
    2501: "Authentication error; server closing connection",
    2502: "Session limit exceeded; server closing connection",
}


@dataclass(frozen=True)
class Request:
    """What a client asked: the command's name, its clTRID, and what the registry looks at."""

    command: str
    transaction: str | None
    names: tuple[str, ...] = ()
    operation: str | None = None
    credentials: tuple[str, str] | None = None


def roid_of(name: str) -> str:
    """Return the repository identifier of the domain `name`."""
    return f"D{hashlib.sha256(name.encode()).hexdigest()[:16].upper()}-TEST"


def is_registered(name: str) -> bool:
    """Tell whether the registry holds the domain `name`."""
    return not name.startswith("free")


def read(message: bytes) -> Request:
    """Return what `message` asks; its command is `""` where it is no EPP request."""
    try:
        root = fromstring(message)  # the peer is the project's own client
    except ValueError:  # ParseError is one
        return Request("", None)
    if root.find("e:hello", _NS) is not None:
        return Request("hello", None)
    wrapper = root.find("e:command", _NS)
    if wrapper is None or not len(wrapper):
        return Request("", None)
    command = wrapper[0]
    return Request(
        command=command.tag.rpartition("}")[2],
        transaction=wrapper.findtext("e:clTRID", None, _NS),
        names=tuple(element.text or "" for element in command.iterfind(".//d:name", _NS)),
        operation=command.get("op"),
        credentials=_credentials(command),
    )


def greeting(date: str) -> bytes:
    """Return the greeting (RFC 5730, section 2.4), for `date` in RFC 3339's form."""
    return (
        f"{_HEAD}<greeting><svID>Loopback registry</svID><svDate>{date}</svDate><svcMenu>"
        f"<version>1.0</version><lang>en</lang><objURI>{_DOMAIN}</objURI></svcMenu>"
        "<dcp><access><none/></access><statement><purpose><prov/></purpose><recipient><ours/>"
        "</recipient><retention><none/></retention></statement></dcp></greeting></epp>"
    ).encode()


def reply(
    request: Request, code: int | None = None, *, server_transaction: str, reason: str = ""
) -> bytes:
    """Return the response to `request`: with `code`, or with whatever the registry holds."""
    data = ""
    if code is None:
        code, data = _answer(request)
    value = f"<extValue><value><a/></value><reason>{escape(reason)}</reason></extValue>"
    transaction = (
        "" if request.transaction is None else f"<clTRID>{escape(request.transaction)}</clTRID>"
    )
    return (
        f'{_HEAD}<response><result code="{code}"><msg>{MESSAGES.get(code, "Refused")}</msg>'
        f"{value if reason else ''}</result>{f'<resData>{data}</resData>' if data else ''}"
        f"<trID>{transaction}<svTRID>{server_transaction}</svTRID></trID></response></epp>"
    ).encode()


def _answer(request: Request) -> tuple[int, str]:
    if request.command == "check":
        found = "".join(
            f'<d:cd><d:name avail="{int(not is_registered(name))}">{escape(name)}</d:name></d:cd>'
            for name in request.names
        )
        return 1000, f'<d:chkData xmlns:d="{_DOMAIN}">{found}</d:chkData>'
    if request.command == "info" and request.names:
        name = request.names[0]
        if not is_registered(name):
            return 2303, ""
        return 1000, (
            f'<d:infData xmlns:d="{_DOMAIN}"><d:name>{escape(name)}</d:name>'
            f"<d:roid>{roid_of(name)}</d:roid><d:clID>registrar</d:clID></d:infData>"
        )
    if request.command == "poll" and request.operation == "req":
        return 1300, ""
    if request.command in {"create", "renew", "update", "delete", "transfer"}:
        return 1000, ""
    return 2101, ""


def _credentials(command: Element) -> tuple[str, str] | None:
    client, password = command.findtext("e:clID", None, _NS), command.findtext("e:pw", None, _NS)
    return None if client is None or password is None else (client, password)
