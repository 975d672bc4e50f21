"""What the EPP tests share: one registry for all of them, and a client that is logged in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventconnpool_gov.epp import EppClient, EppPool, EppTransport
from geventconnpool_gov.testing.epp_registry import EppRegistry
from geventconnpool_gov.testing.fixtures import epp_registry

__all__ = ["epp_registry"]


@pytest.fixture
def registry(epp_registry: EppRegistry) -> EppRegistry:
    return epp_registry


@pytest.fixture
def transport(registry: EppRegistry) -> Iterator[EppTransport]:
    context = registry.client_context()
    transport = EppTransport(registry.host, registry.port, ssl_context=context, read_timeout=5)
    yield transport
    transport.close()


@pytest.fixture
def client(registry: EppRegistry, transport: EppTransport) -> EppClient:
    """A client that is logged in."""
    client = EppClient(transport)
    client.connect()
    client.login(registry.login)
    return client


@pytest.fixture
def make_pool(registry: EppRegistry) -> Iterator[Any]:
    """Makes pools for the registry, and closes them."""
    pools: list[EppPool] = []

    def make(size: int = 2, **options: Any) -> EppPool:
        defaults = {**registry.pool_arguments(), "timeout": 5.0, "command_timeout": 5.0}
        pools.append(EppPool(size, **{**defaults, **options}))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(timeout=1)


@pytest.fixture
def pool(make_pool: Any) -> EppPool:
    """A pool of two sessions, both open."""
    pool: EppPool = make_pool(2)
    pool.wait_until_ready(5)
    return pool


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    with gevent.Timeout(30, TimeoutError("a test took 30 s")):
        yield
