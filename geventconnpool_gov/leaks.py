"""Who holds a connection that does not come back?

Nothing is noted when a connection is lent: that would cost every borrow, for the sake of the rare
one that is asked about. Instead the answer is searched for, at the time of the warning, among the
greenlets that there are: the holder's stack has the connection in a variable of one of its frames.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from .entries import Entry
from .hooks import log

if TYPE_CHECKING:
    from .core import Core

__all__ = ["holders", "report"]


def report(core: Core, entry: Entry, now: float) -> None:
    """Warn about a connection that is lent for too long, with the stacks of its holders."""
    core.tally.leaks += 1
    # Not the greenlet's repr, which has the arguments of its function in it.
    stacks = [
        f"held by {type(who).__name__} {hex(id(who))} at\n{''.join(traceback.format_stack(frame))}"
        for who, frame in holders(entry.connection)
    ]
    log.warning(
        "%s: %r has been lent for %.1f s, longer than leak_after (%g s); %s",
        core.title,
        entry,
        now - entry.lent_at,
        core.options.leak_after,
        "; ".join(stacks).rstrip() or "no greenlet has it in a variable",
    )


def holders(connection: object) -> Iterator[tuple[Any, FrameType]]:
    """The suspended greenlets that have this object in a variable, each with its top frame."""
    for each in gc.get_objects():
        if isinstance(each, greenlet) and each.gr_frame is not None:
            frame: FrameType | None = each.gr_frame
            while frame is not None:
                if _has(frame, connection):
                    yield each, each.gr_frame
                    break
                frame = frame.f_back


def _has(frame: FrameType, connection: object) -> bool:
    """Whether a variable of this frame is that object."""
    values = frame.f_locals
    try:
        return any(value is connection for value in values.values())
    finally:
        # Of a function, before Python 3.13, this is a copy that the frame keeps: what its variables
        # hold now would live as long as the frame. Elsewhere it is the variables themselves.
        if type(values) is dict and frame.f_code.co_flags & CO_OPTIMIZED:
            values.clear()
