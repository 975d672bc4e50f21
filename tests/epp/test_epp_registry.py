"""The registry for tests: a process that ends with its parent, counts, and fails on demand."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import gevent
import pytest

from geventconnpool_gov.epp import EppSession, EppTransport, TransportError
from geventconnpool_gov.testing.epp_registry import EppRegistry

ROOT = Path(__file__).parents[2]


def log_in(registry: EppRegistry, *, with_certificate: bool = False) -> EppSession:
    context = registry.client_context(with_certificate=with_certificate)
    session = EppSession(EppTransport(registry.host, registry.port, ssl_context=context))
    session.connect()
    session.login(registry.login)
    return session


def test_it_ends_when_asked_and_leaves_no_files() -> None:
    registry = EppRegistry()
    registry.start()
    folder = Path(registry.ca_file).parent
    assert folder.is_dir()
    assert registry.stop() == 0
    assert not folder.exists()
    assert registry.stop() is None


def test_it_ends_when_its_parent_is_killed() -> None:
    parent = """
        import os, signal
        from geventconnpool_gov.testing.epp_registry import EppRegistry
        registry = EppRegistry()
        registry.start()
        print(registry._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    registry = int(run.stdout)
    while alive(registry):
        gevent.sleep(0.01)


def keep_polling(session: EppSession) -> None:
    while True:
        session.poll()


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc").exists()
    return state != "Z"  # ended, and nobody has asked for its exit status yet


def test_it_works_in_a_monkey_patched_program() -> None:
    program = """
        from gevent import monkey; monkey.patch_all()
        from geventconnpool_gov.testing.epp_registry import EppRegistry
        from geventconnpool_gov.epp import EppSession, EppTransport
        with EppRegistry() as registry:
            context = registry.client_context()
            session = EppSession(EppTransport(registry.host, registry.port, ssl_context=context))
            session.connect()
            session.login(registry.login)
            assert registry.sessions == 1
            session.close()
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


def test_it_counts_sessions_and_commands(registry: EppRegistry, session: EppSession) -> None:
    before = registry.commands.get("info", 0)
    session.info("a.test")
    session.info("b.test")
    assert registry.commands["info"] == before + 2
    assert registry.figures()["sessions"] == 1
    session.logout()
    assert registry.sessions == 0


def test_a_restart_drops_all_and_returns_on_the_same_port(
    registry: EppRegistry, session: EppSession
) -> None:
    restart = gevent.spawn(registry.fault, "restart", down=0.1)
    with pytest.raises(TransportError):
        keep_polling(session)
    session.close()
    assert restart.get() == 1
    again = log_in(registry)
    assert again.poll().code == 1300
    again.close()


def test_while_it_is_down_connects_are_refused(registry: EppRegistry, session: EppSession) -> None:
    restart = gevent.spawn(registry.fault, "restart", down=0.5)
    with pytest.raises(TransportError):
        keep_polling(session)
    with pytest.raises(TransportError, match="refused"):
        log_in(registry)
    restart.get()


def test_it_can_ask_for_a_client_certificate() -> None:
    with EppRegistry(client_certificate=True) as registry:
        log_in(registry, with_certificate=True).close()
        with pytest.raises(TransportError):
            log_in(registry)


def test_it_ends_idle_sessions() -> None:
    with EppRegistry(idle_limit=0.2) as registry:
        session = log_in(registry)
        while registry.sessions:
            gevent.sleep(0.01)
        with pytest.raises(TransportError):
            session.poll()
        session.close()


def test_a_black_hole_accepts_and_says_nothing(registry: EppRegistry) -> None:
    registry.fault("black_hole")
    transport = EppTransport(
        registry.host, registry.port, ssl_context=registry.client_context(), connect_timeout=0.1
    )
    with pytest.raises(TransportError, match="the limit"):
        transport.connect()


def test_an_unknown_fault_is_refused(registry: EppRegistry) -> None:
    with pytest.raises(ValueError, match="earthquake"):
        registry.fault("earthquake")
    with pytest.raises(ValueError, match="magnitude"):
        registry.fault("truncate", magnitude=9)


def test_an_interrupted_order_does_not_garble_the_next(registry: EppRegistry) -> None:
    registry.fault("drop")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        registry.fault("restart", down=0.2)
    assert registry.figures()["sessions"] == 0
