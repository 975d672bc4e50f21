"""The doctor sees what the pool runs on, and says what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from geventconnpool_gov import doctor
from geventconnpool_gov.__main__ import main

EXAMINE = "from geventconnpool_gov.doctor import examine; print(*examine(), sep='\\n')"


def lines(program: str = EXAMINE, **variables: str) -> list[str]:
    """Return what a program prints in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_from_the_command_line_it_says_what_only_the_application_can_tell(capsys):
    assert main(["doctor"]) == 0
    *findings, last = capsys.readouterr().out.splitlines()
    assert {line.partition(": ")[0] for line in findings} <= {"ok", "warn"}
    assert last.startswith("skip: ")
    assert last.endswith("call geventconnpool_gov.doctor.examine() in it")


def test_as_json_each_finding_has_level_what_and_advice(capsys):
    main(["doctor", "--json"])
    for finding in json.loads(capsys.readouterr().out):
        assert finding.keys() == {"level", "what", "advice"}


@pytest.mark.parametrize(
    ("place", "name", "value", "advice"),
    [
        ("platform", "python_implementation", lambda: "PyPy", "use CPython"),
        ("sys", "version_info", (3, 9, 19), "use CPython 3.10 to 3.13"),
        ("sys", "version_info", (3, 14, 0), "use CPython 3.10 to 3.13"),
        ("sys", "_is_gil_enabled", lambda: False, "set PYTHON_GIL=1"),
    ],
)
def test_a_python_that_is_not_tested_is_warned_of(monkeypatch, place, name, value, advice):
    monkeypatch.setattr(getattr(doctor, place), name, value, raising=False)
    found = doctor._python()
    assert (found.level, found.advice) == ("warn", advice)


def test_without_gevent_it_fails_and_says_what_to_install(monkeypatch, capsys):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    assert main(["doctor"]) == 1
    assert "fail: gevent is not installed - pip install gevent" in capsys.readouterr().out


def test_a_gevent_that_cannot_be_imported_is_a_failure(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gevent.events", None)
    assert main(["doctor"]) == 1
    assert "cannot be imported" in capsys.readouterr().out


@pytest.mark.parametrize(("there", "level"), [("22.10.1", "fail"), ("22.10.2", "ok")])
def test_gevent_is_old_enough_or_too_old(monkeypatch, there, level):
    monkeypatch.setattr(doctor, "version", lambda name: there)
    assert next(doctor._gevent()).level == level


@pytest.mark.parametrize(("there", "level"), [("79.0.1", "ok"), ("80.0.0", "warn")])
def test_an_old_gevent_needs_an_old_setuptools(monkeypatch, there, level):
    old = SimpleNamespace(iter_entry_points=SimpleNamespace(__module__="pkg_resources"))
    monkeypatch.setattr(doctor, "version", lambda name: there)
    (finding,) = doctor._setuptools("22.10.2", old)
    assert finding.level == level


def test_a_resolver_that_blocks_is_warned_of():
    (line,) = (line for line in lines(GEVENT_RESOLVER="block") if "resolver" in line)
    assert line.startswith("warn: ")


def test_a_gevent_that_lacks_pkg_resources_may_have_an_old_setuptools(monkeypatch):
    class Lacking:
        @staticmethod
        def find_spec(name, *_):
            if name == "gevent.events":
                raise ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources")

    monkeypatch.delitem(sys.modules, "gevent.events", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Lacking, *sys.meta_path])
    (finding,) = doctor._gevent()
    assert finding.level == "fail"
    assert "'setuptools<80'" in finding.advice


def test_an_install_that_lost_the_name_of_upstream_is_warned(monkeypatch):
    monkeypatch.delitem(sys.modules, "geventconnpool", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (finding,) = doctor._drop_in()
    assert finding.level == "warn"
    assert "finds nothing" in finding.what


def test_a_real_upstream_that_takes_the_name_is_named(tmp_path):
    package = tmp_path / "geventconnpool" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    (line,) = (line for line in lines(PYTHONPATH=str(tmp_path)) if "import geventconnpool" in line)
    assert line.startswith("warn: ")
    assert str(package) in line
    assert "pip uninstall geventconnpool" in line


def test_an_application_that_is_not_patched_is_warned():
    found = [line for line in lines() if line.startswith("warn: ")]
    assert any("not monkey-patched: socket" in line for line in found)
    assert any("os.fork is not gevent's" in line for line in found)


def test_an_application_that_is_patched_is_well():
    found = lines(f"from gevent import monkey; monkey.patch_all(); {EXAMINE}")
    assert [line for line in found if not line.startswith("ok: ")] == []


def test_threads_that_the_pool_would_refuse_are_counted():
    thread = "import threading as t; e = t.Event(); t.Thread(target=e.wait, daemon=True).start(); "
    assert any("2 threads" in line for line in lines(thread + EXAMINE))


def test_a_pool_that_was_made_before_the_fork_is_named():
    found = lines(
        "import os\n"
        "from gevent import monkey; monkey.patch_all()\n"
        "from geventconnpool_gov import ConnectionPool\n"
        "class Pool(ConnectionPool):\n"
        "    def _new_connection(self): return object()\n"
        "pool = Pool(1, name='early')\n"
        "if os.fork() == 0:\n"
        f"    {EXAMINE}\n"
    )
    (line,) = (line for line in found if "early" in line)
    assert line.startswith("warn: ")
