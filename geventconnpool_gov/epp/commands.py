"""What does a client say where epplib is not there? The few requests that this package has itself.

They have the shape of epplib's (`interface.Request`), and epplib's go wherever they go. A `Command`
is the text that stands inside `<command>` (RFC 5730, section 2.5); whoever has a richer vocabulary
brings it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from .documents import EPP_NAMESPACE
from .responses import Greeting, Response

__all__ = ["Command", "Hello", "Login", "Logout", "PollRequest"]

_HEAD = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?><epp xmlns="{EPP_NAMESPACE}">'


class Hello:
    """Ask for the greeting again (RFC 5730, section 2.3). It comes without a login, too."""

    response_class: ClassVar[Any] = Greeting

    def xml(self, tr_id: str | None = None, schema: Any = None) -> bytes:
        """Return the document; a hello has no clTRID."""
        return f"{_HEAD}<hello/></epp>".encode()


@dataclass(frozen=True)
class Command:
    """A command by its text, as `<info>…</info>`; its repr hides it, for it may hold a secret."""

    text: str = field(repr=False)
    response_class: ClassVar[Any] = Response

    def xml(self, tr_id: str | None = None, schema: Any = None) -> bytes:
        """Return the document that carries it, with `tr_id` as its clTRID."""
        transaction = "" if tr_id is None else _element("clTRID", tr_id)
        return f"{_HEAD}<command>{self.text}{transaction}</command></epp>".encode()


class Logout(Command):
    """End the session; the server answers 1500 and closes (RFC 5730, section 2.9.1.2)."""

    def __init__(self) -> None:
        super().__init__("<logout/>")


class PollRequest(Command):
    """Ask for the next message in the queue, leaving it there (RFC 5730, section 2.9.2.3)."""

    def __init__(self) -> None:
        super().__init__('<poll op="req"/>')


class Login(Command):
    """Log in (RFC 5730, section 2.9.1.1); the arguments are those of epplib's `Login`."""

    def __init__(
        self,
        cl_id: str,
        password: str,
        obj_uris: list[str],
        new_pw: str | None = None,
        version: str = "1.0",
        lang: str = "en",
        ext_uris: list[str] | None = None,
    ) -> None:
        new_password = "" if new_pw is None else _element("newPW", new_pw)
        extensions = "".join(_element("extURI", uri) for uri in ext_uris or ())
        super().__init__(
            f"<login>{_element('clID', cl_id)}{_element('pw', password)}{new_password}<options>"
            f"{_element('version', version)}{_element('lang', lang)}</options>"
            f"<svcs>{''.join(_element('objURI', uri) for uri in obj_uris)}"
            f"{f'<svcExtension>{extensions}</svcExtension>' if extensions else ''}</svcs></login>"
        )


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"
