"""What does nobody hear who looks at results alone? Errors in the log, the loop, finalizers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from soak.tally import Tally


class _Handler(logging.Handler):
    """Counts warnings, and keeps errors: the pool logs these where a hook does not end."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._tally.unheard.append(f"in the log: {record.getMessage()}")
        else:
            self._tally.warnings_logged += 1


@contextmanager
def heard(tally: Tally) -> Iterator[None]:
    """Have all of it noted, and none of it printed.

    A socket that is collected without having been closed is an error in a finalizer, where warnings
    are errors.
    """

    def in_a_greenlet(_context: object, kind: Any, error: Any, _trace: object) -> None:
        tally.unheard.append(f"in a greenlet or a callback: {kind.__name__}: {error}")

    def in_a_finalizer(found: Any) -> None:
        tally.unheard.append(f"in a finalizer: {found.exc_type.__name__}: {found.exc_value}")

    logger, handler = logging.getLogger("geventconnpool_gov"), _Handler(tally)
    hub: Any = gevent.get_hub()
    before, sys.unraisablehook = sys.unraisablehook, in_a_finalizer
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    hub.print_exception = in_a_greenlet
    try:
        yield
    finally:
        del hub.print_exception
        logger.removeHandler(handler)
        logger.propagate, sys.unraisablehook = propagate, before
