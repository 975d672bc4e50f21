"""Every example of docs/epp.md that is marked so runs as it stands, in order, as in Django."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from geventconnpool_gov.testing.epp_registry import EppRegistry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/epp.md").read_text()
EXAMPLES = re.findall(r"^```python epplib\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FOR_PYTEST = [example for example in EXAMPLES if "epp_registry" in example]


def run(folder: Path, *command: str, **environment: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), **environment},
        check=True,
        timeout=60,
    )


@pytest.mark.epplib
@pytest.mark.skipif(not find_spec("epplib"), reason="epplib is not installed: LEFT OUT")
def test_the_examples_run_one_after_the_other(registry: EppRegistry, tmp_path: Path) -> None:
    client_id, password = registry.credentials
    (tmp_path / "site_settings.py").write_text(
        "EPP_CONNECTION_POOL_SIZE = 2\n"
        "EPP_POOL_BORROW_TIMEOUT = 10\n"
        "EPP_POOL_IDLE_PING_SECONDS = 60\n"
        "EPP_CONNECTION_TIMEOUT = 5\n"
        f"REGISTRY_HOSTNAME = {registry.host!r}\n"
        f"REGISTRY_PORT = {registry.port!r}\n"
        f"REGISTRY_CERT_FILE = REGISTRY_KEY_FILE = {registry.client_file!r}\n"
        "REGISTRY_KEY_PASSPHRASE = None\n"
        f"REGISTRY_CL_ID = {client_id!r}\n"
        f"REGISTRY_PASSWORD = {password!r}\n"
    )
    program = "\n".join(example for example in EXAMPLES if example not in FOR_PYTEST)
    site = {"DJANGO_SETTINGS_MODULE": "site_settings", "SSL_CERT_FILE": registry.ca_file}
    run(tmp_path, "-c", program, **site)
    assert registry.commands["delete"] == 1
    assert registry.sessions == 0


@pytest.mark.epplib
@pytest.mark.skipif(not find_spec("epplib"), reason="epplib is not installed: LEFT OUT")
def test_the_example_of_a_users_test_passes(tmp_path: Path) -> None:
    fixture, test = FOR_PYTEST
    (tmp_path / "conftest.py").write_text(fixture)
    (tmp_path / "test_mine.py").write_text(test)
    run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_every_fault_is_on_the_page_and_in_the_docstring() -> None:
    from geventconnpool_gov.testing import epp_faults

    documented = set(re.findall(r'"(\w+)"', PAGE[PAGE.index("| `fault(") :]))
    assert documented >= epp_faults._SPOILERS
    for fault in documented & set(re.findall(r"`(\w+)`", EppRegistry.fault.__doc__ or "")):
        documented.discard(fault)
    assert documented <= {"create"}


def test_the_page_and_the_makefile_name_the_same_epplib() -> None:
    pinned = re.findall(r"git\+https://github.com/cisagov/epplib@[0-9a-f]{40}", PAGE)
    assert pinned
    assert all(pin in (ROOT / "Makefile").read_text() for pin in pinned)


def test_a_session_table_keeps_below_the_limit() -> None:
    table = re.findall(r"^\| \d+ \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert table
    for instances, workers, size in (map(int, row) for row in table):
        assert workers == 3 * instances
        assert size == 100 // workers
