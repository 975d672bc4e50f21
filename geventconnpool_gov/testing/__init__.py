"""What a user's own tests need: virtual time, schedules, and an EPP registry to test against.

`EppRegistry` is fetched on demand, so that tests of other protocols do without the EPP modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schedules import explore, random_schedules, replay
from .virtual_time import virtual_time

if TYPE_CHECKING:
    from .epp_registry import EppRegistry

__all__ = ["EppRegistry", "explore", "random_schedules", "replay", "virtual_time"]


def __getattr__(name: str) -> Any:
    if name == "EppRegistry":
        from .epp_registry import EppRegistry

        return EppRegistry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
