"""A connection pool for gevent applications: `geventconnpool`, maintained.

`ConnectionPool` is the pool, `retry` repeats a call whose connection broke, `PoolStats` is what a
pool says of itself, and every error of its own is a `PoolError`.
"""

from __future__ import annotations

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
