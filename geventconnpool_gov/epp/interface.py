"""What do we ask of epplib's objects, and which of its classes do ours stand in for?

Of a request, that it writes its own document and names the class that reads the answer; nothing
else, and nothing by name: whatever has this shape will do. Where epplib is installed, our transport
and our transport error are its own too, so that `except epplib.exceptions.TransportError` goes on
catching what it caught. Neither of the two modules imported here imports lxml.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

try:
    from epplib.exceptions import TransportError as TransportErrorBase
    from epplib.transport import Transport as TransportBase
except ImportError:
    TransportErrorBase = RuntimeError  # epplib's is one, too
    TransportBase = object

__all__ = ["Request", "TransportBase", "TransportErrorBase", "greeting_class"]


class Request(Protocol):
    """What is sent: a command, a hello, an extension; epplib's, or of that shape."""

    response_class: ClassVar[Any]  #: has `parse(raw_response, schema)`, a class method

    def xml(self, tr_id: str | None = None, schema: Any = None) -> bytes:
        """Return the whole document, with `tr_id` as its clTRID (RFC 5730, section 2.5)."""


def greeting_class() -> Any:
    """Return the class that reads greetings: epplib's where it is installed, else ours."""
    try:
        from epplib.responses import Greeting
    except ImportError:
        from .responses import Greeting
    return Greeting
