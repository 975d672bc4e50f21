"""What can go wrong between a caller and an EPP registry, as exceptions.

None of them is an `OSError`: the pool discards a session that left with a `TransportError` because
the class says so, and no generic handler of `OSError` can take one for a command that is safe to
repeat. What the operating system or TLS said is the `__cause__`.
"""

from __future__ import annotations

from geventconnpool_gov.errors import PoolConnectError

from .interface import TransportErrorBase

__all__ = [
    "CommandError",
    "EppError",
    "LoginError",
    "SessionLimitError",
    "TransportError",
    "refusal",
]

_SESSION_LIMIT = 2502
_OF_THE_MOMENT = frozenset({2400, 2500})


class EppError(Exception):
    """Base of every error that the EPP part raises."""


class TransportError(EppError, TransportErrorBase):
    """The connection broke, or what came over it cannot be trusted; it must not be used again.

    `maybe_executed` tells whether a whole command may have reached the registry. False means that
    sending it again is safe, whatever the command. Where epplib is installed, this is an
    `epplib.exceptions.TransportError` too; a `RuntimeError` it is in any case.
    """

    def __init__(self, message: str, *, maybe_executed: bool = False) -> None:
        super().__init__(message)
        self.maybe_executed = maybe_executed


class CommandError(EppError):
    """The registry answered and did not do it; `code` is its result code (RFC 5730, section 3)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code

    def __str__(self) -> str:
        code, message = self.args
        return f"the registry answered {code}: {message}"


class LoginError(CommandError, PoolConnectError):
    """The registry refused the login, for a reason that trying again does not mend.

    That is any refusal (2200 and 2501, the credentials; 2307, an unknown object) but 2400, 2500
    and 2502. A `PoolConnectError`, so that this very error is what a pool's waiting callers get.
    """


class SessionLimitError(CommandError):
    """Too many sessions are open already (2502); one becomes free when another ends."""


def refusal(code: int, message: str) -> CommandError:
    """Return the error for a login that was answered with `code`."""
    if code == _SESSION_LIMIT:
        return SessionLimitError(code, message)
    if code in _OF_THE_MOMENT:
        return CommandError(code, message)
    return LoginError(code, message)
