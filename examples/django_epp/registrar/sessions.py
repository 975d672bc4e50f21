"""Where does a worker's pool of sessions live, and when does it open and close?

One pool a process: gevent's greenlets share it, and nothing is shared between processes. It is made
in the worker and not when this module is imported, which with preloading is in gunicorn's master.
(A pool made there would work too: each worker would open sessions of its own at its first use. But
the master would hold sessions that it never needs.)
"""

from __future__ import annotations

from typing import Any

from geventconnpool_gov.epp import EppPool
from geventconnpool_gov.metrics import prometheus

from .settings import epp_pool_arguments

_pools: list[EppPool] = []  # this process's one, once it is made


def open_pool() -> EppPool:
    """Make this process's pool, if it is not there yet. Sessions open in the background."""
    if not _pools:
        _pools.append(EppPool(**epp_pool_arguments()))
        prometheus.export(*_pools)
    return _pools[0]


def close_pool() -> None:
    """Log every session out; those in use are given ten seconds to come back."""
    while _pools:
        _pools.pop().close(timeout=10)


def send(command: object) -> Any:
    """Send a command on one of this process's sessions; see `EppPool.send`."""
    return open_pool().send(command)
