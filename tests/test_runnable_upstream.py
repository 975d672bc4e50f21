"""The compatibility patches alone give a runnable upstream: what the fork is compared with."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import gevent
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    """Upstream's module with the compatibility patches and no other."""
    path = tmp_path_factory.mktemp("upstream") / "runnable.py"
    command = [sys.executable, "-m", "upstream", "apply", "--compatibility", "-o", path]
    subprocess.run(command, cwd=ROOT, check=True)
    spec = spec_from_file_location("runnable", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_lends_what_it_opens(upstream, virtual_clock):
    class Pool(upstream.ConnectionPool):
        def _new_connection(self) -> object:
            return "connection"

    pool = Pool(2)
    with pool.get() as connection:
        assert connection == "connection"
    gevent.sleep(1)
    assert len(pool.conn) == 2


def test_its_retry_can_log(upstream, virtual_clock, caplog):
    caplog.set_level(logging.INFO)

    def fails():
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        upstream.retry(fails, logger=logging.getLogger("app"), max_failures=1)()
    assert len(caplog.messages) == 3
    assert all("fails" in message for message in caplog.messages)


def test_it_has_the_faults_that_the_patches_mend(upstream, virtual_clock):
    class Pool(upstream.ConnectionPool):
        def _new_connection(self) -> object:
            return object()

    pool = Pool(1)
    with pytest.raises(gevent.Timeout), pool.get() as half_read:
        raise gevent.Timeout(1)
    with pool.get() as connection:
        assert connection is half_read
