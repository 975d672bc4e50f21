"""How does a pytest test come by virtual time?

Import the fixture in a ``conftest.py``::

    from geventconnpool_gov.testing.fixtures import virtual_clock

and the test that asks for ``virtual_clock`` runs on a hub and a clock of its own. It fails where
it leaves greenlets or timers behind. The only module here that needs pytest.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .virtual_time import VirtualClock, virtual_time


@pytest.fixture
def virtual_clock() -> Iterator[VirtualClock]:
    """Run the test in virtual time: sleeps and timeouts end at once; ``.now`` says where we are."""
    with virtual_time() as clock:
        yield clock
