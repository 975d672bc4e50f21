"""Which settings a pool takes, and what is wrong with a bad one.

Every function here returns the value in its normal form or raises at once: `TypeError` for the
wrong kind of thing, `ValueError` for one out of range; both name the argument and what it got.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Any

__all__ = ["UNSET", "Options", "count", "exception_classes", "seconds"]


A_CENTURY = 3.2e9  # event loops count no further than they must

#: The default of `get(timeout=…)`: the pool's own.
UNSET: Any = type("UNSET", (), {"__repr__": lambda self: "UNSET"})()


@dataclass(frozen=True)
class Options:
    """The checked settings of one pool. Times are seconds; `None` means no limit."""

    size: int
    min_size: int
    timeout: float | None = None
    max_waiting: int | None = None
    check_timeout: float = 5.0
    connect_timeout: float | None = 30.0
    max_connecting: int = 3
    fatal_exc_classes: tuple[type[BaseException], ...] = ()
    name: str | None = None
    burst_limit: int | None = None
    idle_timeout: float | None = None
    max_lifetime: float | None = None
    check_after: float | None = None
    lifo: bool = False
    leak_after: float | None = None

    @classmethod
    def checked(
        cls,
        size: Any,
        *,
        min_size: Any = None,
        timeout: Any = None,
        max_waiting: Any = None,
        check_timeout: Any = 5.0,
        connect_timeout: Any = 30.0,
        max_connecting: Any = 3,
        fatal_exc_classes: Any = (),
        name: Any = None,
        burst_limit: Any = None,
        idle_timeout: Any = None,
        max_lifetime: Any = None,
        check_after: Any = None,
        lifo: Any = None,
        leak_after: Any = None,
    ) -> Options:
        """Check what `ConnectionPool` was given; see its documentation for the meaning."""
        size = count("size", size, least=1)
        min_size = size if min_size is None else count("min_size", min_size)
        if min_size > size:
            raise ValueError(f"min_size must not be above size ({size}), got {min_size}")
        limit = size if burst_limit is None else count("burst_limit", burst_limit)
        if limit < size:
            raise ValueError(f"burst_limit must not be below size ({size}), got {limit}")
        if lifo is not None and not isinstance(lifo, bool):
            raise TypeError(f"lifo must be True, False or None, got {lifo!r}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None, got {name!r}")
        return cls(
            size=size,
            min_size=min_size,
            timeout=seconds("timeout", timeout, optional=True, zero=True),
            max_waiting=None if max_waiting is None else count("max_waiting", max_waiting),
            check_timeout=_given(seconds("check_timeout", check_timeout)),
            connect_timeout=seconds("connect_timeout", connect_timeout, optional=True),
            max_connecting=count("max_connecting", max_connecting, least=1),
            fatal_exc_classes=exception_classes("fatal_exc_classes", fatal_exc_classes),
            name=name,
            burst_limit=limit,
            idle_timeout=seconds("idle_timeout", idle_timeout, optional=True),
            max_lifetime=seconds("max_lifetime", max_lifetime, optional=True),
            check_after=seconds("check_after", check_after, optional=True, zero=True),
            leak_after=seconds("leak_after", leak_after, optional=True),
            lifo=(min_size < size or limit > size) if lifo is None else lifo,
        )


def count(argument: str, value: Any, *, least: int = 0) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool):
        raise TypeError(f"{argument} must be a whole number, got {value!r}")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{argument} must be a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{argument} must be at least {least}, got {value!r}")
    return number


def seconds(
    argument: str, value: Any, *, optional: bool = False, zero: bool = False
) -> float | None:
    """A finite time above zero, or zero or `None` where the argument allows them."""
    if value is None and optional:
        return None
    or_none = " or None" if optional else ""
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{argument} must be a number of seconds{or_none}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{argument} must be a finite number of seconds{or_none}, got {value!r}")
    if number > A_CENTURY:
        raise ValueError(f"{argument} must be at most {A_CENTURY:g} seconds, got {value!r}")
    if number < 0 or (number == 0 and not zero):
        least = "zero or more" if zero else "above zero"
        raise ValueError(f"{argument} must be {least} seconds, got {value!r}")
    return number


def exception_classes(argument: str, value: Any) -> tuple[type[BaseException], ...]:
    """Exception classes as a tuple; one class alone stands for itself."""
    if isinstance(value, type) and issubclass(value, BaseException):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise TypeError(f"{argument} must hold exception classes, got {value!r}")
    classes = tuple(value)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"{argument} must hold exception classes, got {each!r}")
    return classes


def _given(value: float | None) -> float:
    """Tell the type checker what `optional=False` means."""
    assert value is not None
    return value
