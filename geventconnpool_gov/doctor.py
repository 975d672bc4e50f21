"""What does the pool run on here, and what about it will hurt?

Each finding is a line: ok, warn, fail or skip, what was seen, and what to do about it. `examine`
is for a call inside an application, where it sees what only the application can tell: whether it
is monkey-patched, and what its threads and forks do. From the command line those are skipped.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

__all__ = ["Finding", "examine"]

_OLDEST_GEVENT = (22, 10, 2)
_TESTED = ((3, 10), (3, 13))


@dataclass(frozen=True)
class Finding:
    """What was seen, and what to do: nothing where it is ok."""

    level: Literal["ok", "warn", "fail", "skip"]
    what: str
    advice: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.level}: {self.what}" + (f" - {self.advice}" if self.advice else "")

    def as_dict(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


def examine(*, application: bool = True) -> list[Finding]:
    """Look at everything, without changing anything; a few milliseconds.

    Args:
        application: this is called inside the application, after its imports and its
            monkey-patching, and before or in its workers.
    """
    found = [_python(), *_gevent(), *_drop_in()]
    if any(finding.level == "fail" for finding in found):
        return found
    if application:
        return [*found, *_patching(), *_threads(), *_forks()]
    advice = "call geventconnpool_gov.doctor.examine() in it"
    what = "monkey-patching, threads and forks: only the application can tell"
    return [*found, Finding("skip", what, advice)]


def _python() -> Finding:
    running = f"{platform.python_implementation()} {platform.python_version()}"
    if platform.python_implementation() != "CPython":
        return Finding("warn", f"{running}: not tested", "use CPython")
    if not _TESTED[0] <= sys.version_info[:2] <= _TESTED[1]:
        return Finding("warn", f"{running}: not tested", "use CPython 3.10 to 3.13")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return Finding("warn", f"{running} without its lock: not tested", "set PYTHON_GIL=1")
    return Finding("ok", running)


def _gevent() -> Iterator[Finding]:
    try:
        there = version("gevent")
        import gevent.events
    except PackageNotFoundError:
        yield Finding("fail", "gevent is not installed", "pip install gevent")
        return
    except ImportError as error:
        advice = "pip install --upgrade gevent"
        if error.name == "pkg_resources":
            advice += ", or with this one: pip install 'setuptools<80'"
        yield Finding("fail", f"gevent {there} cannot be imported: {error}", advice)
        return
    if tuple(map(int, re.findall(r"\d+", there)[:3])) < _OLDEST_GEVENT:
        yield Finding("fail", f"gevent {there}: too old", "pip install 'gevent>=22.10.2'")
    else:
        yield Finding("ok", f"gevent {there}")
    yield from _setuptools(there, gevent.events)
    yield from _loop()


def _setuptools(gevent: str, events: Any) -> Iterator[Finding]:
    """Old releases of gevent look for their plug-ins by way of setuptools, new ones do not."""
    if getattr(getattr(events, "iter_entry_points", None), "__module__", "") != "pkg_resources":
        return
    there = version("setuptools")
    if int(there.partition(".")[0]) < 80:
        yield Finding("ok", f"setuptools {there}, which gevent {gevent} needs to be imported")
    else:
        what = f"setuptools {there}: gevent {gevent} imports pkg_resources, which is on its way out"
        yield Finding("warn", what, "pip install --upgrade gevent, or 'setuptools<80'")


def _loop() -> Iterator[Finding]:
    import gevent

    kind = gevent.config.loop
    name = f"{kind.__module__}.{kind.__name__}"
    rounding = ": times are rounded to milliseconds" if "libuv" in name else ""
    yield Finding("ok", f"loop {name}{rounding}")
    resolver = gevent.config.resolver
    name = f"{resolver.__module__}.{resolver.__name__}"
    if "blocking" in name:
        advice = "unset GEVENT_RESOLVER, or set it to thread"
        yield Finding("warn", f"resolver {name}: a look-up stops every greenlet", advice)
    else:
        yield Finding("ok", f"resolver {name}")


def _drop_in() -> Iterator[Finding]:
    """Look for the file that `import geventconnpool` would run, and run it not."""
    ours = Path(__file__).parent.parent / "geventconnpool.py"
    loaded = sys.modules.get("geventconnpool")
    origin = getattr(loaded, "__file__", None)
    if loaded is None:
        spec = importlib.util.find_spec("geventconnpool")
        origin = spec.origin if spec else None
    if origin is None:
        advice = "install geventconnpool-gov anew, or import geventconnpool_gov"
        yield Finding("warn", "`import geventconnpool` finds nothing", advice)
    elif Path(origin).resolve() == ours.resolve():
        yield Finding("ok", f"`import geventconnpool` is this fork, in {origin}")
    else:
        advice = "pip uninstall geventconnpool, or import geventconnpool_gov"
        yield Finding("warn", f"`import geventconnpool` is not this fork but {origin}", advice)


def _patching() -> Iterator[Finding]:
    from gevent import monkey

    wanted = ("socket", "ssl", "select", "time", "threading")
    bare = [name for name in wanted if not monkey.is_module_patched(name)]
    if not bare:
        yield Finding("ok", "monkey-patched: socket, ssl, select, time, threading")
    else:
        what = f"not monkey-patched: {', '.join(bare)}: what uses them stops every greenlet"
        advice = "gevent.monkey.patch_all() before other imports, or open with gevent.socket"
        yield Finding("warn", what, advice)


def _threads() -> Iterator[Finding]:
    from gevent import monkey

    count: int = len(threading.enumerate())
    if monkey.is_module_patched("threading") or count == 1:
        yield Finding("ok", "threads: none that the pool would have to refuse")
    else:
        what = f"{count} threads: a pool serves the one that made it, and refuses the others"
        yield Finding("warn", what, "a pool for each thread, or gevent.monkey.patch_all()")


def _forks() -> Iterator[Finding]:
    from gevent import monkey

    from .forking import _cores

    inherited = [core.title for core in list(_cores) if core.forked]
    for name in inherited:
        what = f"{name} was made before this process was forked, and has to begin anew"
        yield Finding(
            "warn", what, "make it in the worker: gunicorn's post_fork, or no preload_app"
        )
    if not monkey.is_object_patched("os", "fork"):
        what = "os.fork is not gevent's: a child would run its parent's event loop"
        yield Finding("warn", what, "gevent.monkey.patch_all(), or fork with gevent.os.fork")
    else:
        yield Finding("ok", "os.fork is gevent's: a child has an event loop of its own")
