"""EPP sessions for gevent: connected, greeted, logged in, pooled. RFC 5730 over RFC 5734."""

from __future__ import annotations

from .commands import Login, check_domains, info_domain
from .errors import CommandError, EppError, LoginError, SessionLimitError, TransportError
from .pool import EppPool
from .responses import Greeting, Response
from .session import EppSession
from .tls import client_context
from .transport import EppTransport

__all__ = [
    "CommandError",
    "EppError",
    "EppPool",
    "EppSession",
    "EppTransport",
    "Greeting",
    "Login",
    "LoginError",
    "Response",
    "SessionLimitError",
    "TransportError",
    "check_domains",
    "client_context",
    "info_domain",
]
