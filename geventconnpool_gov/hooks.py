"""How does the pool call what a subclass wrote?

`Hooks` is what the modules know of a pool class. `within` bounds one call of a hook: whatever the
hook waits for, the pool waits no longer than it was told to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import gevent

__all__ = ["GONE", "Hooks", "SwallowedTimeoutError", "brief", "log", "overridden", "within"]

log = logging.getLogger("geventconnpool_gov")


class Hooks(Protocol):
    """What a `ConnectionPool` offers its machinery; see the class for what each means."""

    SPAWN_FREQUENCY: float
    exc_classes: Any
    keepalive: Any
    _lending_brief: int
    _lending_home: Any
    _lending_clock: Any
    _lending_stow: Any

    def _new_connection(self) -> Any: ...
    def _keepalive(self, c: Any) -> Any: ...
    def _keepalive_periodic(self) -> Any: ...
    def _addOne(self) -> Any: ...  # noqa: N802  upstream's name
    def _check(self, c: Any) -> Any: ...
    def _reset(self, c: Any) -> Any: ...
    def _close_connection(self, c: Any) -> Any: ...
    def _socket(self, c: Any) -> Any: ...


class _Gone:
    """What is left of a pool that has been collected: it can only end what it had."""

    SPAWN_FREQUENCY = 0.0
    exc_classes = (OSError,)
    keepalive = None
    _lending_brief = 0
    _lending_home: Any = None
    _lending_clock: Any = None
    _lending_stow: Any = None

    def _new_connection(self) -> Any:
        raise RuntimeError("the pool has been collected")

    _keepalive_periodic = _new_connection
    _addOne = _new_connection  # noqa: N815  upstream's name

    def _close_connection(self, c: Any) -> Any:
        if hasattr(c, "close"):
            c.close()

    def _keepalive(self, c: Any) -> Any: ...
    def _check(self, c: Any) -> Any: ...
    def _reset(self, c: Any) -> Any: ...
    def _socket(self, c: Any) -> Any: ...


GONE = _Gone()


def overridden(pool: object, method: str) -> bool:
    """Whether a subclass, or the instance, has a `method` of its own."""
    # Not by way of `__dict__`: asking for it makes every later attribute access slower.
    return getattr(getattr(pool, method), "__module__", None) != f"{__package__}.pool"


class SwallowedTimeoutError(TimeoutError):
    """A hook went on after it was interrupted. What it returned late is `result`."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


def within(limit: float | None, what: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call `function`, and interrupt it after `limit` seconds.

    Raises:
        TimeoutError: the limit passed first, be it that the function swallowed the interruption.
            A `gevent.Timeout` of somebody else, a kill, and the function's own errors pass
            through.
    """
    if limit is None:
        return function(*args)
    overdue = gevent.Timeout.start_new(limit)
    try:
        result = function(*args)
        if not overdue.pending:
            raise SwallowedTimeoutError(f"{what} took longer than {limit:g} s, and went on", result)
        return result
    except gevent.Timeout as error:
        if error is not overdue:
            raise
        raise TimeoutError(f"{what} took longer than {limit:g} s") from None
    finally:
        overdue.close()
        del overdue  # where it was raised, it holds this frame


def brief(error: BaseException) -> str:
    """One line about an error, short enough for a log and for `stats()`."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(its text cannot be had)"
    if len(text) > 200:
        text = text[:199] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
