"""Which gevent on which CPython, and with which loop? All that there may be, or the corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matrix.pythons import Python


@dataclass(frozen=True)
class Kind:
    """How gevent runs: its name, the environment that says so.

    Then the modules that its greenlets and its loop must come from, as proof that it does.
    """

    name: str
    variables: tuple[tuple[str, str], ...]
    proof: str


COMPILED = Kind("compiled", (), "gevent._gevent_cgreenlet gevent.libev.corecext")
PURE = Kind("pure Python", (("PURE_PYTHON", "1"),), "gevent.greenlet gevent.libev.corecext")
LIBUV = Kind(
    "libuv", (("GEVENT_LOOP", "libuv-cffi"),), "gevent._gevent_cgreenlet gevent.libuv.loop"
)
KINDS = (COMPILED, PURE, LIBUV)


# Where tests fail by a fault of gevent's that is not to be worked around: by release and CPython.
_FAULTS = {
    ("23.7.0", "3.12"): "this gevent never frees what a killed greenlet held; 23.9.0 does",
}


@dataclass(frozen=True)
class Combination:
    """One place of the matrix."""

    gevent: str
    python: Python
    kind: Kind = COMPILED

    @property
    def fault(self) -> str:
        """The fault of gevent's that makes tests fail here; empty where none is known."""
        return _FAULTS.get((self.gevent, self.python.minor), "")

    def __str__(self) -> str:
        kind = "" if self.kind is COMPILED else f", {self.kind.name}"
        return f"gevent {self.gevent} on CPython {self.python.minor}{kind}"


def everything(releases: Sequence[str], pythons: Sequence[Python]) -> list[Combination]:
    """Return each of `releases`, the newest first, on each of `pythons`.

    The other kinds are run on every CPython with the newest gevent, and with the oldest gevent on
    the oldest CPython. Whether a release has a wheel for a CPython shows when it is installed.
    """
    newest, oldest = releases[0], releases[-1]
    chosen = [
        *(Combination(release, python) for release in releases for python in pythons),
        *(Combination(newest, python, kind) for kind in (PURE, LIBUV) for python in pythons),
        *(Combination(oldest, pythons[0], kind) for kind in (PURE, LIBUV)),
    ]
    return list(dict.fromkeys(chosen))


def corners(releases: Sequence[str], pythons: Sequence[Python]) -> list[Combination]:
    """Return the oldest, one between and the newest, of both; and the other kinds at the ends."""
    newest, between, oldest = releases[0], releases[len(releases) // 2], releases[-1]
    chosen = [
        Combination(oldest, pythons[0]),
        Combination(newest, pythons[-1]),
        Combination(between, pythons[len(pythons) // 2]),
        Combination(newest, pythons[-1], LIBUV),
        Combination(oldest, pythons[0], PURE),
    ]
    return list(dict.fromkeys(chosen))
