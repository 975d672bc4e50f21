"""What does a client say? The XML of the EPP commands that this package sends itself.

A command is the text that stands inside `<command>`, before the clTRID (RFC 5730, section 2.5), as
`<info>…</info>`. Domain commands are RFC 5731's. Whoever has a richer vocabulary writes the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

__all__ = [
    "HELLO",
    "LOGOUT",
    "POLL_REQUEST",
    "Login",
    "check_domains",
    "document",
    "info_domain",
    "is_harmless",
]

EPP_NAMESPACE = "urn:ietf:params:xml:ns:epp-1.0"
DOMAIN_NAMESPACE = "urn:ietf:params:xml:ns:domain-1.0"

_PROLOGUE = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?><epp xmlns="{EPP_NAMESPACE}">'

HELLO = f"{_PROLOGUE}<hello/></epp>".encode()
LOGOUT = "<logout/>"
POLL_REQUEST = '<poll op="req"/>'


@dataclass(frozen=True)
class Login:
    """Who logs in, and for which objects (RFC 5730, section 2.9.1.1). Its repr hides passwords."""

    client_id: str
    password: str = field(repr=False)
    new_password: str | None = field(default=None, repr=False)
    language: str = "en"
    objects: tuple[str, ...] = (DOMAIN_NAMESPACE,)
    extensions: tuple[str, ...] = ()

    def command(self) -> str:
        """Return the command's text, password included: for the wire alone."""
        new_password = "" if self.new_password is None else _element("newPW", self.new_password)
        extensions = "".join(_element("extURI", uri) for uri in self.extensions)
        return (
            f"<login>{_element('clID', self.client_id)}{_element('pw', self.password)}"
            f"{new_password}<options><version>1.0</version>{_element('lang', self.language)}"
            f"</options><svcs>{''.join(_element('objURI', uri) for uri in self.objects)}"
            f"{f'<svcExtension>{extensions}</svcExtension>' if extensions else ''}</svcs></login>"
        )

    def without_secrets(self, text: str) -> str:
        """Return `text`, which the registry wrote, without the passwords that it may quote."""
        for secret in filter(None, (self.password, self.new_password)):
            text = text.replace(secret, "***")
        return text


def check_domains(names: Iterable[str]) -> str:
    """Return the command that asks which of `names` can be registered."""
    wanted = "".join(_element("domain:name", name) for name in names)
    return f'<check><domain:check xmlns:domain="{DOMAIN_NAMESPACE}">{wanted}</domain:check></check>'


def info_domain(name: str) -> str:
    """Return the command that asks for all about one domain."""
    return (
        f'<info><domain:info xmlns:domain="{DOMAIN_NAMESPACE}">'
        f"{_element('domain:name', name)}</domain:info></info>"
    )


def document(command: str, transaction: str) -> bytes:
    """Return the whole document that carries `command` under the clTRID `transaction`."""
    return (
        f"{_PROLOGUE}<command>{command}{_element('clTRID', transaction)}</command></epp>"
    ).encode()


_FIRST_TAG = re.compile(r"""\s*<(\w+)(?:\s+op\s*=\s*["'](\w+)["'])?\s*/?>""")
_HARMLESS = {("check", None), ("info", None), ("poll", "req"), ("transfer", "query")}


def is_harmless(command: str) -> bool:
    """Tell whether executing `command` twice does no more than once: it changes nothing.

    That is check, info, poll request and transfer query (RFC 5730, section 2.9.2); anything that
    is not plainly one of them is taken for a change.
    """
    tag = _FIRST_TAG.match(command)
    return tag is not None and tag.groups() in _HARMLESS


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"
