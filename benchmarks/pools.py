"""The pools that are compared: ours, upstream made runnable, and the bare parts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import Semaphore

from geventconnpool_gov import ConnectionPool


class Ours(ConnectionPool):
    """This project's pool over connections that cost nothing."""

    SPAWN_FREQUENCY = 0.0

    def _new_connection(self) -> object:
        return object()

    def _keepalive(self, c: object) -> None:
        """Answer at once."""


class Bare:
    """A semaphore and a deque: what a pool cannot do without."""

    def __init__(self, size: int) -> None:
        self.lock = Semaphore(size)
        self.idle = deque(object() for _ in range(size))

    @contextmanager
    def get(self) -> Iterator[object]:
        """Lend the way that anybody would write it first."""
        with self.lock:
            connection = self.idle.popleft()
            try:
                yield connection
            finally:
                self.idle.append(connection)


def ours(size: int, **options: float) -> Ours:
    """Our pool, with its connections open."""
    pool = Ours(size, **options)
    pool.wait_until_ready(10)
    return pool


def ours_with_every_option(size: int) -> Ours:
    """Our pool with every option that looks at time switched on."""
    hour = 3600.0
    return ours(size, keepalive=hour, idle_timeout=hour, max_lifetime=hour, check_after=hour)


def upstream(size: int) -> Any:
    """Upstream's pool with the compatibility patches alone, with its connections open."""
    module = _upstream_module()

    class Theirs(module.ConnectionPool):  # type: ignore[name-defined, misc]
        SPAWN_FREQUENCY = 0.0

        def _new_connection(self) -> object:
            return object()

    pool = Theirs(size)
    while len(pool.conn) < size:
        gevent.sleep(0.001)
    return pool


@cache
def _upstream_module() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runnable_upstream.py"
        command = [sys.executable, "-m", "upstream", "apply", "--compatibility", "-o", str(path)]
        subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, capture_output=True)
        spec = spec_from_file_location("runnable_upstream", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
