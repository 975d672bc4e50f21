"""How does a pool that is at work change its size, or all of its connections?"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from .options import Options, count

if TYPE_CHECKING:
    from .core import Core

__all__ = ["drain", "resize"]


def resize(core: Core, size: Any, min_size: Any) -> None:
    """See `ConnectionPool.resize`."""
    core.ready_here()
    ledger, old = core.ledger, core.options
    size = count("size", size, least=1)
    if min_size is None:
        min_size = size if old.min_size == old.size else min(old.min_size, size)
    burst_limit = max(old.burst_limit or 0, size) if old.burst_limit != old.size else None
    checked = Options.checked(size, min_size=min_size, burst_limit=burst_limit)
    limits = {name: getattr(checked, name) for name in ("size", "min_size", "burst_limit")}
    core.options = replace(old, **limits)
    ledger.set_limits(checked.size, checked.min_size, checked.burst_limit or checked.size)
    while ledger.surplus > 0 and (oldest := ledger.oldest) is not None:
        core.retire(oldest, "drained")
    core.meter.turn()  # what is out by now comes back the long way, which looks at the limits
    core.arrange_lending(core.pool)
    core.upkeep.rearm()
    core.opener.pump()
    core.tell_if_ready()


def drain(core: Core) -> None:
    """See `ConnectionPool.drain`."""
    core.ready_here()
    for entry in core.ledger.open.values():
        entry.expires_at, entry.ending = -inf, "drained"
        entry.plain = entry.simple = False
    core.upkeep.tend()
