"""The Django example under gunicorn: every request is answered, every session logs out."""

from __future__ import annotations

import json
import os
import signal
import socket as plain_socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest

from geventconnpool_gov.testing.epp_protocol import is_registered
from geventconnpool_gov.testing.epp_registry import EppRegistry

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "django_epp"


@dataclass
class Site:
    """gunicorn with the example on a port of its own."""

    process: subprocess.Popen[bytes]
    port: int
    answers: list[tuple[int, Any]] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, str]:
        """One request on a connection of its own, without a second try."""
        with gevent.socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body

    def workers(self) -> list[int]:
        """The processes that gunicorn's master has forked."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def ask(self, client: int, stop: list[bool]) -> None:
        """Ask about one domain after the other, and note what came."""
        number = 0
        while not stop:
            name = f"{'free-' if number % 2 else ''}client-{client}-{number}.test"
            status, body = self.get(f"/check/{name}")
            expected = {"name": name, "available": not is_registered(name)}
            self.answers.append((status, json.loads(body) == expected or body))
            number += 1


@pytest.fixture
def site(registry: EppRegistry) -> Iterator[Site]:
    with plain_socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client_id, password = registry.credentials
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BIND": f"127.0.0.1:{port}",
        "REGISTRY_HOSTNAME": registry.host,
        "REGISTRY_PORT": str(registry.port),
        "REGISTRY_CL_ID": client_id,
        "REGISTRY_PASSWORD": password,
        "REGISTRY_CA_FILE": registry.ca_file,
        "EPP_POOL_SIZE": "3",
        "EPP_POOL_TIMEOUT": "3",
    }
    command = [sys.executable, "-m", "gunicorn", "--log-level", "warning", "registrar.wsgi"]
    process = subprocess.Popen(command, cwd=EXAMPLE, env=environment)
    site = Site(process, port)
    try:
        with gevent.Timeout(20):
            while registry.sessions < 2:  # one in each worker, before any request
                assert process.poll() is None
                gevent.sleep(0.05)
        yield site
    finally:
        ended(site)


def ended(site: Site) -> int:
    """Ask gunicorn to end, as a deployment does, and wait until it has."""
    if site.process.poll() is None:
        site.process.send_signal(signal.SIGTERM)
    with gevent.Timeout(20):
        while (status := site.process.poll()) is None:
            gevent.sleep(0.05)
    return status


def test_every_request_is_answered_while_sessions_drop_and_a_worker_restarts(
    site: Site, registry: EppRegistry
) -> None:
    stop: list[bool] = []
    clients = [gevent.spawn(site.ask, client, stop) for client in range(8)]
    gevent.sleep(0.5)
    first, _ = site.workers()
    for fault in (lambda: registry.fault("drop"), lambda: registry.fault("log_out")):
        fault()
        gevent.sleep(0.5)
    os.kill(first, signal.SIGTERM)
    with gevent.Timeout(20):
        while first in site.workers() or len(site.workers()) < 2:
            gevent.sleep(0.1)
    registry.fault("drop", number=1, reset=True)
    gevent.sleep(0.5)
    stop.append(True)
    gevent.joinall(clients, raise_error=True)
    assert set(site.answers) == {(200, True)}
    assert len(site.answers) > 100
    assert ended(site) == 0
    assert registry.sessions == 0
    commands = registry.commands
    assert commands["logout"] >= 3  # of both workers, and of the one that was restarted


def test_health_and_metrics_show_the_pool(site: Site) -> None:
    site.get("/check/free-of-cares.test")
    status, body = site.get("/health")
    figures = json.loads(body)
    assert status == 200
    assert (figures["name"], figures["size"]) == ("registry", 3)
    assert figures["opened"] - sum(figures["closed"].values()) == figures["open"] >= 1
    status, body = site.get("/metrics")
    assert status == 200
    assert 'geventconnpool_connections{pool="registry"}' in body


def test_a_registry_that_is_away_is_a_503_that_says_when_to_come_back(
    site: Site, registry: EppRegistry
) -> None:
    registry.fault("black_hole", on=True)
    registry.fault("drop")
    status, body = site.get("/check/any.test")
    assert status == 503
    assert registry.credentials[1] not in body
