"""How is a call repeated whose connection broke?

The pool has discarded the broken connection by the time the error arrives here, so a new attempt
uses another one. Only `exc_classes` are repeated; the pool's own errors are none of them by
default, since repeating does not help an exhausted pool.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

import gevent

from . import clock
from .options import count, exception_classes, seconds

__all__ = ["retry"]

P = ParamSpec("P")
R = TypeVar("R")
Interval = float | Callable[[int], float]


@overload
def retry(f: Callable[P, R], *args: Any, **options: Any) -> Callable[P, R]: ...
@overload
def retry(
    f: None = None, *args: Any, **options: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def retry(
    f: Callable[..., Any] | None = None,
    exc_classes: Any = (OSError,),
    logger: Any = None,
    retry_log_level: int = logging.INFO,
    retry_log_message: str = "{f} lost its connection ({e}); trying another one",
    max_failures: int | None = None,
    interval: Interval = 0,
    max_failure_log_level: int = logging.ERROR,
    max_failure_log_message: str = "{f} failed too often ({e}); giving up",
    *,
    jitter: bool = False,
) -> Any:
    """Repeat a function that ends in one of `exc_classes`.

    All forms work: `@retry`, `@retry(max_failures=3)`, `retry(function, …)`, and
    `functools.partial(retry, …)` as a decorator, with or without further arguments.

    Args:
        f: the function; left out in `@retry(…)`.
        exc_classes: exception classes that are repeated; everything else passes through.
        logger: anything with `log(level, message)`; told of each failure.
        retry_log_level: level of that message.
        retry_log_message: its text; `{f}` is the function's name, `{e}` the error.
        max_failures: how many failures are repeated; the next one is raised. None: no limit.
        interval: seconds to wait before a new attempt, or a function of the number of failures
            so far (1, 2, …) that returns them.
        max_failure_log_level: level of the message before giving up.
        max_failure_log_message: its text, with the same fields.
        jitter: wait a random time up to `interval` instead (full jitter), so that many callers
            do not come back in step.

    Raises:
        TypeError, ValueError: an argument is not as described.

    A kill or a `gevent.Timeout` ends the repetition wherever it is.
    """
    classes = exception_classes("exc_classes", exc_classes)
    if max_failures is not None:
        max_failures = count("max_failures", max_failures)
    if not callable(interval):
        interval = seconds("interval", interval, zero=True) or 0.0
    _check_logging(logger, retry_log_message, max_failure_log_message)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        _check_function(function)
        name = getattr(function, "__name__", None) or repr(function)

        def tell(level: int, message: str, error: BaseException) -> None:
            if logger:
                logger.log(level, message.format(f=name, e=error))

        @wraps(function)
        def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
            for attempt in itertools.count(1):
                try:
                    return function(*args, **kwargs)
                except classes as error:
                    if max_failures is not None and attempt > max_failures:
                        tell(max_failure_log_level, max_failure_log_message, error)
                        raise
                    tell(retry_log_level, retry_log_message, error)
                    wait = interval(attempt) if callable(interval) else interval
                pause = random.uniform(0.0, wait) if jitter else wait
                gevent.sleep(pause and max(clock.SHORTEST, pause))
            raise AssertionError("the attempts have no end")

        return repeated

    return decorate if f is None else decorate(f)


def _check_function(function: Any) -> None:
    is_error = isinstance(function, type) and issubclass(function, BaseException)
    if is_error or not callable(function):
        raise TypeError(f"retry decorates a function, got {function!r}")


def _check_logging(logger: Any, *messages: str) -> None:
    if logger is not None and not callable(getattr(logger, "log", None)):
        raise TypeError(f"logger must have a method log(level, message), got {logger!r}")
    for message in messages:
        with _naming(message):
            message.format(f="", e="")


@contextmanager
def _naming(message: str) -> Iterator[None]:
    try:
        yield
    except (LookupError, ValueError) as error:
        raise ValueError(f"a log message has the fields f and e, got {message!r}") from error
