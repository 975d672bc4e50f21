"""What is asked of a registry? epplib's commands where it is installed, else two of the same shape.

The pool takes either. An application that has epplib imports from it and needs nothing of the rest.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from geventconnpool_gov.epp import Command

OBJECTS = [f"urn:ietf:params:xml:ns:{kind}-1.0" for kind in ("domain", "contact", "host")]

try:
    from epplib.commands import CheckDomain, Login
except ImportError:
    from geventconnpool_gov.epp import Login

    def CheckDomain(names: list[str]) -> Command:  # noqa: N802  epplib's name
        """Ask whether these domains can be registered (RFC 5731, section 3.1.1)."""
        wanted = "".join(f"<d:name>{escape(name)}</d:name>" for name in names)
        return Command(f'<check><d:check xmlns:d="{OBJECTS[0]}">{wanted}</d:check></check>')


__all__ = ["OBJECTS", "CheckDomain", "Login", "is_available"]


def is_available(response: Any) -> bool:
    """Whether the one domain that was checked can be registered."""
    if hasattr(response, "res_data"):
        return bool(response.res_data[0].avail)
    name = response.element.find(f".//{{{OBJECTS[0]}}}cd/{{{OBJECTS[0]}}}name")
    return bool(name.get("avail") in ("1", "true"))
