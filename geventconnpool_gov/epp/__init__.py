"""EPP sessions for gevent: connected, greeted, logged in, pooled. RFC 5730 over RFC 5734.

Requests and responses are epplib's, or whatever has their shape; docs/epp.md tells the rest.
"""

from __future__ import annotations

from .client import EppClient
from .commands import Command, Hello, Login, Logout, PollRequest
from .documents import DocumentError
from .errors import CommandError, EppError, LoginError, SessionLimitError, TransportError
from .pool import EppPool
from .responses import Greeting, Response
from .tls import client_context
from .transport import EppTransport

__all__ = [
    "Command",
    "CommandError",
    "DocumentError",
    "EppClient",
    "EppError",
    "EppPool",
    "EppTransport",
    "Greeting",
    "Hello",
    "Login",
    "LoginError",
    "Logout",
    "PollRequest",
    "Response",
    "SessionLimitError",
    "TransportError",
    "client_context",
]
