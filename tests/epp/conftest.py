"""What the EPP tests share: one registry for all of them, and a session with it."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from geventconnpool_gov.epp import EppSession, EppTransport
from geventconnpool_gov.testing.epp_registry import EppRegistry


@pytest.fixture(scope="session")
def one_registry() -> Iterator[EppRegistry]:
    with EppRegistry() as registry:
        yield registry


@pytest.fixture
def registry(one_registry: EppRegistry) -> Iterator[EppRegistry]:
    """The shared registry with no fault ordered; and nobody connected afterwards."""
    yield one_registry
    one_registry.fault("clear")
    one_registry.fault("drop")


@pytest.fixture
def transport(registry: EppRegistry) -> Iterator[EppTransport]:
    context = registry.client_context()
    transport = EppTransport(registry.host, registry.port, ssl_context=context, read_timeout=5)
    yield transport
    transport.close()


@pytest.fixture
def session(registry: EppRegistry, transport: EppTransport) -> EppSession:
    """A session that is logged in."""
    session = EppSession(transport)
    session.connect()
    session.login(registry.login)
    return session


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    with gevent.Timeout(30, TimeoutError("a test took 30 s")):
        yield
