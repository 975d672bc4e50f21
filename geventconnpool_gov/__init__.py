"""A connection pool for gevent applications: `geventconnpool`, maintained.

`ConnectionPool` is the pool, `retry` repeats a call whose connection broke, `PoolStats` is what a
pool says of itself, and every error of its own is a `PoolError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import (
        PoolClosed,
        PoolConnectError,
        PoolError,
        PoolTimeout,
        SharedConnectionError,
        TooManyRequests,
        WrongThread,
    )
    from .pool import ConnectionPool, retry
    from .statistics import PoolStats

__version__ = "0.1.0"

__all__ = [
    "ConnectionPool",
    "PoolClosed",
    "PoolConnectError",
    "PoolError",
    "PoolStats",
    "PoolTimeout",
    "SharedConnectionError",
    "TooManyRequests",
    "WrongThread",
    "__version__",
    "retry",
]

_HOMES = ("errors", "pool", "statistics")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the pool at its first use: an audit runs where the import would fail."""
        if name in _HOMES:
            return import_module(f".{name}", __name__)
        if name in __all__:
            for home in map(__getattr__, _HOMES):
                if hasattr(home, name):
                    return globals().setdefault(name, getattr(home, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
