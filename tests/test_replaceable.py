"""docs/replaceable.md: its modules run, type-check, and keep the promises of a pool."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from geventconnpool_gov import ConnectionPool, PoolError
from geventconnpool_gov.protocol import Pool
from geventconnpool_gov.testing import virtual_time
from geventconnpool_gov.testing.conformance import conformance

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SERVICE = '''
class Client:
    """What the application talks with."""

    def __init__(self, reply: str = "ordered") -> None:
        self.reply, self.closed = reply, False

    def ask(self, question: str) -> str:
        return self.reply

    def close(self) -> None:
        self.closed = True
'''

TRY = """
import pytest
from geventconnpool_gov.protocol import Pool
from one_connection import OneConnection
from orders import Busy, order
from pools import make_pool
from queue_pool import QueuePool
from service import Client

made: list[Client] = []


def connect() -> Client:
    made.append(Client("log in first" if len(made) % 2 == 0 else "ordered"))
    return made[-1]


pools: list[Pool[Client]] = [make_pool(connect, 1), OneConnection(connect), QueuePool(connect, 1)]
for pool in pools:
    assert order(pool, "tea") == "log in first"
    assert order(pool, "tea") == "ordered"
    with pool.get(), pytest.raises(pool.timeout_error):
        with pool.get(timeout=0.01):
            pass
    pool.close()
assert [client.closed for client in made] == [True] * 6
"""


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """The page's modules, as files of an application."""
    folder = tmp_path_factory.mktemp("application")
    for name, text in BLOCK.findall((ROOT / "docs/replaceable.md").read_text()):
        (folder / name).write_text(text)
    (folder / "service.py").write_text(SERVICE)
    (folder / "try_all.py").write_text(TRY)
    return folder


def run(folder: Path, *command: str) -> str:
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**own, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_same_application_runs_on_three_pools(application):
    run(application, "-m", "gevent.monkey", "try_all.py")


def test_all_three_are_pools_to_the_type_checker(application):
    run(application, "-m", "mypy", "--strict", *(path.name for path in application.glob("*.py")))


def test_the_suite_runs_in_two_lines(application):
    run(application, "-m", "pytest", "-q", "-W", "error", "test_pools.py")


def test_the_queue_pool_of_the_page_keeps_every_promise(application):
    run(application, "-m", "gevent.monkey", "--module", "pytest", "-q", "test_queue_pool.py")


def test_the_page_shows_each_of_its_modules_once(application):
    names = [name for name, _ in BLOCK.findall((ROOT / "docs/replaceable.md").read_text())]
    blocks = (ROOT / "docs/replaceable.md").read_text().count("```python")
    assert len(set(names)) == len(names) == blocks


def test_a_pool_that_turns_callers_away_can_call_that_no_connection_in_time(virtual_clock):
    class Strict(ConnectionPool):
        timeout_error = PoolError

        def _new_connection(self) -> object:
            return object()

    with Strict(1, max_waiting=0) as pool:
        pool.wait_until_ready()
        with pool.get(), pytest.raises(pool.timeout_error), pool.get():
            pass


def one_connection(connect, size):
    text = dict(BLOCK.findall((ROOT / "docs/replaceable.md").read_text()))["one_connection.py"]
    namespace = {"__name__": "one_connection"}
    exec(text, namespace)
    return namespace["OneConnection"](connect)


def ours(connect, size: int) -> Pool[object]:
    class Ours(ConnectionPool):
        def _new_connection(self) -> object:
            return connect()

    return Ours(size)


test_our_pool = conformance(ours, clock=virtual_time)
test_our_pool_in_real_time = conformance(ours)
test_one_connection = conformance(one_connection, clock=virtual_time)
