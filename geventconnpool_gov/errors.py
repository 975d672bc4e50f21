"""What can go wrong between a caller and the pool, as exceptions.

None of them is an `OSError`: `@retry` repeats a call whose connection broke, and must not hammer
a pool that is exhausted or closed. Names follow psycopg_pool.
"""

from __future__ import annotations

__all__ = [
    "PoolClosed",
    "PoolConnectError",
    "PoolError",
    "PoolTimeout",
    "SharedConnectionError",
    "TooManyRequests",
    "WrongThread",
]


class PoolError(Exception):
    """The pool cannot serve this call. Base of every error that the pool itself raises."""


class PoolTimeout(PoolError):
    """No connection became free in time.

    The text has the pool's figures; `__cause__` is the last connect error while connects fail.
    """


class PoolClosed(PoolError):
    """The pool was closed before or while the caller waited."""


class TooManyRequests(PoolError):
    """`max_waiting` callers wait already; this one was turned away at once."""


class PoolConnectError(PoolError):
    """Opening a connection failed in a way that waiting does not mend.

    Raised where a connect ended in one of `fatal_exc_classes`; that error is the `__cause__`.
    """


class SharedConnectionError(PoolConnectError):
    """`_new_connection` returned an object that the pool holds already.

    Two callers would read each other's replies. Return a new object from every call.
    """


class WrongThread(PoolError):
    """The pool was used from a thread other than the one whose hub it belongs to.

    gevent's greenlets and watchers live in one thread; make a pool in each thread.
    """
