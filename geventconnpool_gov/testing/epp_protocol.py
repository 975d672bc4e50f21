"""What does the test registry answer? Requests in, documents out; no sockets, no clock.

Every answer about a domain, a host or a contact is a function of its name (or identifier) alone:
those that begin with `free` are not registered, all others are, and the repository identifier is
made from the name by `roid_of`. So a client can prove that the reply it got is its own. Creating
and changing is answered as done and changes nothing. Answers are in the namespace that was asked
in: RFC 5731, 5732 and 5733, or a registry's own of that shape.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.sax.saxutils import escape

__all__ = [
    "CHANGES",
    "MESSAGES",
    "OBJECTS",
    "Request",
    "greeting",
    "is_registered",
    "message_queue",
    "read",
    "reply",
    "roid_of",
]

_EPP = "urn:ietf:params:xml:ns:epp-1.0"
_DOMAIN = "urn:ietf:params:xml:ns:domain-1.0"
OBJECTS = tuple(f"urn:ietf:params:xml:ns:{name}-1.0" for name in ("domain", "host", "contact"))
CHANGES = frozenset({"create", "renew", "update", "delete", "transfer"})
_NS = {"e": _EPP}
_CREATED, _EXPIRES = "2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z"
_HEAD = f'<?xml version="1.0" encoding="UTF-8"?><epp xmlns="{_EPP}">'
_POSTAL = (  # RFC 5733, section 3.1.2, has no contact without
    '<d:postalInfo type="loc"><d:name>A. Registrant</d:name><d:addr><d:street>1 Loop</d:street>'
    "<d:city>Backtown</d:city><d:cc>US</d:cc></d:addr></d:postalInfo>"
    "<d:email>registrant@loopback.test</d:email>"
)

# RFC 5730, section 3.
MESSAGES = {
    1000: "Command completed successfully",
    1300: "Command completed successfully; no messages",
    1301: "Command completed successfully; ack to dequeue",
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
    names: tuple[str, ...] = ()  # of domains or hosts, or identifiers of contacts
    operation: str | None = None
    credentials: tuple[str, str] | None = None
    namespace: str = _DOMAIN
    label: str = "name"  # of the element that holds a name
    message: str | None = None  # the number of the one that `<poll op="ack">` takes away


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
    except (ParseError, LookupError, ValueError):  # the last two: of an encoding nobody knows
        return Request("", None)
    if root.find("e:hello", _NS) is not None:
        return Request("hello", None)
    extension = root.find("e:extension", _NS)
    if extension is not None:
        return Request("extension", extension.findtext(".//{*}clTRID"))
    wrapper = root.find("e:command", _NS)
    if wrapper is None or not len(wrapper):
        return Request("", None)
    command = wrapper[0]
    namespace, label, names = _objects(command)
    return Request(
        command=command.tag.rpartition("}")[2],
        transaction=wrapper.findtext("e:clTRID", None, _NS),
        names=names,
        operation=command.get("op"),
        credentials=_credentials(command),
        namespace=namespace,
        label=label,
        message=command.get("msgID"),
    )


def greeting(date: str) -> bytes:
    """Return the greeting (RFC 5730, section 2.4), for `date` in RFC 3339's form."""
    return (
        f"{_HEAD}<greeting><svID>Loopback registry</svID><svDate>{date}</svDate><svcMenu>"
        f"<version>1.0</version><lang>en</lang>"
        f"{''.join(f'<objURI>{uri}</objURI>' for uri in OBJECTS)}</svcMenu>"
        "<dcp><access><none/></access><statement><purpose><prov/></purpose><recipient><ours/>"
        "</recipient><retention><none/></retention></statement></dcp></greeting></epp>"
    ).encode()


def reply(
    request: Request,
    code: int | None = None,
    *,
    server_transaction: str,
    reason: str = "",
    queue: str = "",
    date: str = _CREATED,
) -> bytes:
    """Return the response to `request`: with `code`, or with whatever the registry holds.

    `queue` is a `<msgQ>` element (RFC 5730, section 2.9.2.3), `date` that of every creation.
    """
    data = ""
    if code is None:
        code, data = _answer(request, date)
    value = f"<extValue><value><a/></value><reason>{escape(reason)}</reason></extValue>"
    transaction = (
        "" if request.transaction is None else f"<clTRID>{escape(request.transaction)}</clTRID>"
    )
    return (
        f'{_HEAD}<response><result code="{code}"><msg>{MESSAGES.get(code, "Refused")}</msg>'
        f"{value if reason else ''}</result>{queue}"
        f"{f'<resData>{data}</resData>' if data else ''}"
        f"<trID>{transaction}<svTRID>{server_transaction}</svTRID></trID></response></epp>"
    ).encode()


def message_queue(number: int, count: int, text: str) -> str:
    """Return the `<msgQ>` element for the first of `count` messages."""
    return (
        f'<msgQ count="{count}" id="{number}"><qDate>{_CREATED}</qDate>'
        f"<msg>{escape(text)}</msg></msgQ>"
    )


def _answer(request: Request, date: str) -> tuple[int, str]:
    label, names = request.label, request.names
    if request.command == "check":
        found = "".join(
            f'<d:cd><d:{label} avail="{int(not is_registered(name))}">{escape(name)}</d:{label}>'
            "</d:cd>"
            for name in names
        )
        return 1000, _data(request, "chkData", found)
    if request.command == "info" and names:
        if not is_registered(names[0]):
            return 2303, ""
        return 1000, _data(
            request,
            "infData",
            f'{_name(request)}<d:roid>{roid_of(names[0])}</d:roid><d:status s="ok"/>'
            f"{_POSTAL if 'contact' in request.namespace else ''}<d:clID>registrar</d:clID>"
            f"<d:crID>registrar</d:crID><d:crDate>{date}</d:crDate>{_expiry(request)}",
        )
    if request.command == "create" and names:
        created = f"{_name(request)}<d:crDate>{date}</d:crDate>{_expiry(request)}"
        return 1000, _data(request, "creData", created)
    if request.command == "renew" and names:
        return 1000, _data(request, "renData", f"{_name(request)}{_expiry(request)}")
    if request.command in CHANGES:
        return 1000, ""
    return 2101, ""


def _data(request: Request, tag: str, content: str) -> str:
    return f'<d:{tag} xmlns:d="{request.namespace}">{content}</d:{tag}>'


def _name(request: Request) -> str:
    return f"<d:{request.label}>{escape(request.names[0])}</d:{request.label}>"


def _expiry(request: Request) -> str:
    return f"<d:exDate>{_EXPIRES}</d:exDate>" if "domain" in request.namespace else ""


def _objects(command: Element) -> tuple[str, str, tuple[str, ...]]:
    """Return the namespace of what a command is about, and who or what that is."""
    if not len(command) or command[0].tag.startswith(f"{{{_EPP}}}"):
        return _DOMAIN, "name", ()
    namespace = command[0].tag[1:].partition("}")[0]
    label = "name" if command[0].find(f"{{{namespace}}}name") is not None else "id"
    found = command[0].iterfind(f"{{{namespace}}}{label}")
    return namespace, label, tuple(element.text or "" for element in found)


def _credentials(command: Element) -> tuple[str, str] | None:
    client, password = command.findtext("e:clID", None, _NS), command.findtext("e:pw", None, _NS)
    return None if client is None or password is None else (client, password)
