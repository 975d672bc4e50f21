"""What every test here has: virtual time on request, and an account checked at each step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geventconnpool_gov.ledger import Ledger
from geventconnpool_gov.testing.fixtures import virtual_clock

__all__ = ["virtual_clock"]

STEPS = (
    *("put_back", "join", "leave", "dismiss", "begin_opening", "opening_failed", "opened"),
    *("renounce", "retire", "closed_one", "shut_down"),
)


@pytest.fixture(autouse=True)
def _checked_ledger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check every ledger's invariants after each of its steps, but for tests of sheer size."""
    if "large" in request.keywords:
        return

    def checked(step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def stepped(self: Ledger, *args: Any, **kwargs: Any) -> Any:
            result = step(self, *args, **kwargs)
            self.check()
            return result

        return stepped

    for name in STEPS:
        monkeypatch.setattr(Ledger, name, checked(getattr(Ledger, name)))


@pytest.fixture
def steady_jitter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Backoff waits the longest time that jitter allows, so that a test can tell when."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    return
