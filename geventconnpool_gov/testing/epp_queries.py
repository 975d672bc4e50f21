"""What do tests and the demo ask a registry, where epplib is not there? A little about domains.

RFC 5731, section 3. The requests have the shape of epplib's, and are lent to nobody
who has epplib: its own vocabulary is far richer.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from geventconnpool_gov.epp.commands import Command
from geventconnpool_gov.epp.responses import Response

__all__ = ["availability", "change_domain", "check_domains", "info_domain", "roids"]

_DOMAIN = "urn:ietf:params:xml:ns:domain-1.0"


def check_domains(names: Iterable[str]) -> Command:
    """Return the command that asks which of `names` can be registered."""
    wanted = "".join(f"<domain:name>{escape(name)}</domain:name>" for name in names)
    return Command(f'<check><domain:check xmlns:domain="{_DOMAIN}">{wanted}</domain:check></check>')


def info_domain(name: str) -> Command:
    """Return the command that asks for all about one domain."""
    return Command(
        f'<info><domain:info xmlns:domain="{_DOMAIN}">'
        f"<domain:name>{escape(name)}</domain:name></domain:info></info>"
    )


def change_domain(verb: str, name: str) -> Command:
    """Return the command that changes one domain: `verb` is create, renew and so on.

    It says no more than which one, which is enough for the test registry.
    """
    return Command(
        f'<{verb}><domain:{verb} xmlns:domain="{_DOMAIN}">'
        f"<domain:name>{escape(name)}</domain:name></domain:{verb}></{verb}>"
    )


def availability(response: Response) -> dict[str, bool]:
    """Return for each name that was checked whether it is free."""
    names = response.element.iterfind(f".//{{{_DOMAIN}}}cd/{{{_DOMAIN}}}name")
    return {(name.text or "").strip(): name.get("avail") in ("1", "true") for name in names}


def roids(response: Response) -> list[str]:
    """Return the repository identifiers in a reply."""
    return response.texts(f".//{{{_DOMAIN}}}roid")
