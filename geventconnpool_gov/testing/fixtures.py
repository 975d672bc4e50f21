"""How does a pytest test come by virtual time, or by a registry?

Import the fixtures in a ``conftest.py``::

    from geventconnpool_gov.testing.fixtures import epp_registry, virtual_clock

The test that asks for ``virtual_clock`` runs on a hub and a clock of its own. It fails where it
leaves greenlets or timers behind. The test that asks for ``epp_registry`` gets an `EppRegistry`
that behaves, counts from nothing and has nobody connected. The only module here that needs pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from .virtual_time import VirtualClock, virtual_time

if TYPE_CHECKING:
    from .epp_registry import EppRegistry

__all__ = ["epp_registry", "virtual_clock"]

_REGISTRY: pytest.StashKey[EppRegistry] = pytest.StashKey()


@pytest.fixture
def virtual_clock() -> Iterator[VirtualClock]:
    """Run the test in virtual time: sleeps and timeouts end at once; ``.now`` says where we are."""
    with virtual_time() as clock:
        yield clock


@pytest.fixture
def epp_registry(request: pytest.FixtureRequest) -> Iterator[EppRegistry]:
    """Lend the test an EPP registry: one process for the whole run, as new for each test."""
    from .epp_registry import EppRegistry

    config = request.config
    if _REGISTRY not in config.stash:
        stack = ExitStack()
        config.stash[_REGISTRY] = stack.enter_context(EppRegistry())
        config.add_cleanup(stack.close)
    yield config.stash[_REGISTRY]
    config.stash[_REGISTRY].reset()
