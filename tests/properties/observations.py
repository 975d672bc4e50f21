"""What can be observed of a pool class, upstream's or the fork's, in virtual time?

Each function takes one of the two libraries, and is true where it behaves as upstream does.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import gevent
from pools import Connection

import geventconnpool_gov
from geventconnpool_gov.testing import virtual_time
from upstream.archive import fetch as fetch_archive
from upstream.pin import read_pin
from upstream.tree import this_tree

Library = Any


@functools.cache
def upstream() -> Library:
    """The pinned release with the compatibility patches alone, and its text without them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runnable.py"
        command = [sys.executable, "-m", "upstream", "apply", "--compatibility", "-o", str(path)]
        subprocess.run(command, cwd=this_tree().root, check=True, capture_output=True)
        spec = spec_from_file_location("runnable", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    pin = read_pin(this_tree().pin)
    text = fetch_archive(pin).member(pin.pool)
    return SimpleNamespace(**vars(module), text=text)


@functools.cache
def fork() -> Library:
    """This project."""
    text = Path(geventconnpool_gov.__file__).with_name("pool.py").read_text()
    public = {name: getattr(geventconnpool_gov, name) for name in ("ConnectionPool", "retry")}
    return SimpleNamespace(**public, text=text)


def pool_class(library: Library) -> Any:
    """A pool of connections; `connects` says how the first connects go, as in `pools.Pool`."""

    class Observed(library.ConnectionPool):
        SPAWN_FREQUENCY = 0.0

        def __init__(self, size: int, *args: Any, connects: Any = (), **options: Any) -> None:
            self.connects, self.made, self.probes = list(connects), [], 0
            self.began: list[float] = []
            super().__init__(size, *args, **options)

        def _new_connection(self) -> object:
            self.began.append(gevent.get_hub().loop.now())
            step = self.connects.pop(0) if self.connects else 0.0
            if isinstance(step, BaseException):
                raise step
            if step is None:
                return None
            gevent.sleep(step)
            self.made.append(Closable(len(self.made) + 1))
            return self.made[-1]

    return Observed


class Closable(Connection):
    def close(self) -> None:
        self.closed += 1


@contextlib.contextmanager
def opened(pool: Any, after: float = 5.0) -> Iterator[Any]:
    """This pool, after some seconds; closed in the end where it can be."""
    gevent.get_hub().exception_stream = None  # upstream lets errors escape into the hub
    gevent.sleep(after)
    yield pool
    if hasattr(pool, "close"):
        pool.close()


def in_virtual_time(observe: Callable[[Any], bool]) -> Callable[[Library], bool]:
    @functools.wraps(observe)
    def observed(library: Library) -> bool:
        with virtual_time(leftovers="kill"):
            return observe(pool_class(library))

    return observed


def takes(library: Library, **options: Any) -> bool:
    with virtual_time(leftovers="kill"):
        try:
            pool = pool_class(library)(1, **options)
        except TypeError:
            return False
        with opened(pool):
            return True


def break_one(pool: Any) -> None:
    with contextlib.suppress(OSError), pool.get():
        raise OSError("broken")


# -- the module


def cannot_be_imported(library: Library) -> bool:
    try:
        exec(compile(library.text, "pool.py", "exec"), {"__package__": "geventconnpool_gov"})
    except (ImportError, NameError, AttributeError, SyntaxError):
        return True
    return False


def retry_takes_no_arguments(library: Library) -> bool:
    try:
        return library.retry(max_failures=2)(lambda: "done")() != "done"
    except TypeError:
        return True


def retry_sleeps_before_it_gives_up(library: Library) -> bool:
    def fail() -> None:
        raise OSError("always")

    with virtual_time() as clock:
        with contextlib.suppress(OSError):
            library.retry(fail, max_failures=2, interval=10)()
        return clock.now > 10 * 2


# -- opening


@in_virtual_time
def a_failed_connect_costs_a_slot(pool: Any) -> bool:
    with opened(pool(2, connects=[OSError("refused")]), after=100) as one:
        return len(one.conn) < 2


@in_virtual_time
def a_hanging_connect_is_waited_for(pool: Any) -> bool:
    with opened(pool(1, connects=[1e6]), after=100) as one:
        return len(one.conn) == 0


@in_virtual_time
def a_free_slot_waits_a_second(pool: Any) -> bool:
    with opened(pool(1)) as one:
        broke_at = gevent.get_hub().loop.now()
        break_one(one)
        gevent.sleep(5)
        return one.began[-1] - broke_at >= 0.1


@in_virtual_time
def one_object_passes_for_two(pool: Any) -> bool:
    class Same(pool):
        only_one = Closable(1)

        def _new_connection(self) -> object:
            return self.only_one

    with opened(Same(2)) as one:
        return len(one.conn) == 2


@in_virtual_time
def a_child_process_has_its_parents(pool: Any) -> bool:
    with opened(pool(1)) as one:
        child = os.fork()
        if not child:
            os._exit(len(one.conn))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


# -- lending


@in_virtual_time
def conn_is_a_deque(pool: Any) -> bool:
    with opened(pool(1)) as one:
        return type(one.conn) is deque


@in_virtual_time
def an_interrupted_lease_goes_back(pool: Any) -> bool:
    with opened(pool(1)) as one:
        with contextlib.suppress(gevent.Timeout), one.get() as half_read:
            raise gevent.Timeout(1)
        gevent.sleep(5)
        with one.get() as next_one:
            return next_one is half_read


@in_virtual_time
def a_newcomer_overtakes(pool: Any) -> bool:
    with opened(pool(1)) as one:
        order = []

        def borrow(name: str) -> None:
            with one.get():
                order.append(name)
                gevent.sleep(0)

        def greedy() -> None:
            for _ in range(10):
                borrow("greedy")

        gevent.joinall([gevent.spawn(greedy), gevent.spawn(borrow, "patient")])
        return order.index("patient") > 1


def a_call_cannot_be_limited(library: Library) -> bool:
    return "timeout" not in inspect.signature(library.ConnectionPool.get).parameters


@in_virtual_time
def the_dead_are_lent(pool: Any) -> bool:
    ours, theirs = socket.socketpair()
    fresh = socket.socketpair()

    class OverSockets(pool):
        def _new_connection(self) -> object:
            self.made.append(ours if not self.made else fresh[0])
            return self.made[-1]

    with opened(OverSockets(1)) as one:
        theirs.close()
        with one.get() as connection:
            lent = connection is ours
    for each in (ours, *fresh):
        each.close()
    return lent


# -- looking after


@in_virtual_time
def the_keepalive_ends_at_an_error(pool: Any) -> bool:
    class Kept(pool):
        def _keepalive(self, c: Any) -> None:
            self.probes += 1
            if self.probes == 1:
                raise ValueError("not in exc_classes")

    with opened(Kept(1, keepalive=10), after=100) as one:
        return one.probes == 1


@in_virtual_time
def the_keepalive_probes_what_is_in_use(pool: Any) -> bool:
    class Kept(pool):
        def _keepalive(self, c: Any) -> None:
            self.probes += 1

    with opened(Kept(1, keepalive=10)) as one:
        for _ in range(100):
            with one.get():
                gevent.sleep(0.5)
            gevent.sleep(0.5)
        return one.probes > 0


@in_virtual_time
def what_is_discarded_stays_open(pool: Any) -> bool:
    with opened(pool(1)) as one:
        break_one(one)
        gevent.sleep(5)
        return not one.made[0].closed


def there_is_no_close(library: Library) -> bool:
    return not hasattr(library.ConnectionPool, "close")


def the_size_is_fixed(library: Library) -> bool:
    return not takes(library, min_size=0, idle_timeout=1.0, burst_limit=2)


def nothing_ends_a_life(library: Library) -> bool:
    return not takes(library, max_lifetime=60.0)


def nothing_is_asked_before_lending(library: Library) -> bool:
    return not takes(library, check_after=1.0)


def there_are_no_figures(library: Library) -> bool:
    return not hasattr(library.ConnectionPool, "stats")
