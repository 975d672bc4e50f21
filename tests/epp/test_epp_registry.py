"""The registry for tests: a process that ends with its parent, counts, and fails on demand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import gevent
import pytest

from geventconnpool_gov.epp import (
    Command,
    EppClient,
    EppTransport,
    PollRequest,
    TransportError,
)
from geventconnpool_gov.testing import epp_registry as module
from geventconnpool_gov.testing.epp_queries import change_domain, info_domain
from geventconnpool_gov.testing.epp_registry import EppRegistry

ROOT = Path(__file__).parents[2]


def log_in(registry: EppRegistry, *, with_certificate: bool = False) -> EppClient:
    context = registry.client_context(with_certificate=with_certificate)
    client = EppClient(EppTransport(registry.host, registry.port, ssl_context=context))
    client.connect()
    client.login(registry.login)
    return client


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


def keep_polling(client: EppClient) -> None:
    while True:
        client.send(PollRequest())


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
        from geventconnpool_gov.epp import EppPool
        with EppRegistry() as registry, EppPool(2, **registry.pool_arguments()) as pool:
            pool.wait_until_ready(10)
            assert registry.sessions == 2
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


def test_it_counts_sessions_and_commands(registry: EppRegistry, client: EppClient) -> None:
    client.send(info_domain("a.test"))
    client.send(info_domain("b.test"))
    assert registry.commands == {"login": 1, "info": 2}
    assert registry.figures()["sessions"] == 1
    registry.reset()
    assert registry.figures() == {"sessions": 0, "connections": 0, "commands": {}}


def test_it_counts_each_change_that_was_executed_and_no_other(
    registry: EppRegistry, client: EppClient
) -> None:
    renew = change_domain("renew", "mine.test")
    assert client.send(renew).code == 1000
    registry.fault("result", code=2400)
    assert client.send(renew).code == 2400
    client.send(info_domain("mine.test"))
    transfer = change_domain("transfer", "mine.test").text
    client.send(Command(transfer.replace("<transfer>", '<transfer op="query">')))
    registry.fault("truncate")
    with pytest.raises(TransportError):
        client.send(renew)
    assert registry.changes(forget=True) == {"renew mine.test": 2}
    assert registry.changes() == {}


def test_it_keeps_messages_until_they_are_acknowledged(
    registry: EppRegistry, client: EppClient
) -> None:
    number = registry.post("Transfer requested")
    for _ in range(2):
        reply = client.send(PollRequest())
        assert (reply.code, reply.texts("epp:msgQ/epp:msg")) == (1301, ["Transfer requested"])
    assert client.send(Command(f'<poll op="ack" msgID="{number + 1}"/>')).code == 2303
    assert client.send(Command(f'<poll op="ack" msgID="{number}"/>')).code == 1000
    assert client.send(PollRequest()).code == 1300


def test_a_restart_drops_all_and_returns_on_the_same_port(
    registry: EppRegistry, client: EppClient
) -> None:
    restart = gevent.spawn(registry.fault, "restart", down=0.1)
    with pytest.raises(TransportError):
        keep_polling(client)
    client.close()
    assert restart.get() == 1
    again = log_in(registry)
    assert again.send(PollRequest()).code == 1300
    again.close()


def test_while_it_is_down_connects_are_refused(registry: EppRegistry, client: EppClient) -> None:
    restart = gevent.spawn(registry.fault, "restart", down=0.5)
    with pytest.raises(TransportError):
        keep_polling(client)
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
        client = log_in(registry)
        while registry.sessions:
            gevent.sleep(0.01)
        with pytest.raises(TransportError):
            client.send(PollRequest())
        client.close()


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
    with pytest.raises(ValueError, match="limit"):
        registry.fault("session_limit")


def test_an_interrupted_order_does_not_garble_the_next(registry: EppRegistry) -> None:
    registry.fault("drop")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        registry.fault("restart", down=0.2)
    assert registry.figures()["sessions"] == 0


CONFTEST = "from geventconnpool_gov.testing.fixtures import epp_registry"
TESTS = """
from geventconnpool_gov.epp import EppPool, PollRequest

def test_one(epp_registry):
    with EppPool(1, **epp_registry.pool_arguments()) as pool:
        assert pool.send(PollRequest()).code == 1300
        epp_registry.fault("black_hole")
        epp_registry.fault("result", code=2500, count=5)

def test_two(epp_registry):
    assert epp_registry.figures() == {"sessions": 0, "connections": 0, "commands": {}}
    with EppPool(1, **epp_registry.pool_arguments()) as pool:
        assert pool.send(PollRequest()).code == 1300
"""


def test_a_users_own_tests_have_a_fixture_as_new_for_each(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS)
    subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
        timeout=30,
    )


@pytest.mark.parametrize("kind", ["host", "contact"])
def test_it_knows_hosts_and_contacts_too(client: EppClient, kind: str) -> None:
    space, label = f"urn:ietf:params:xml:ns:{kind}-1.0", "id" if kind == "contact" else "name"
    asked = f"<o:info xmlns:o='{space}'><o:{label}>mine</o:{label}></o:info>"
    reply = client.send(Command(f"<info>{asked}</info>"))
    assert reply.texts(f"epp:resData/{{{space}}}infData/{{{space}}}{label}") == ["mine"]


def test_it_answers_a_create_and_a_renew_with_the_object(client: EppClient) -> None:
    space, name = "urn:ietf:params:xml:ns:domain-1.0", "mine.test"
    for command, data in (("create", "creData"), ("renew", "renData")):
        asked = f"<o:{command} xmlns:o='{space}'><o:name>{name}</o:name></o:{command}>"
        reply = client.send(Command(f"<{command}>{asked}</{command}>"))
        assert reply.texts(f"epp:resData/{{{space}}}{data}/{{{space}}}name") == [name]


@pytest.mark.parametrize(
    "document",
    [
        "no XML",
        "<?xml version='1.0' encoding='nonsense'?><epp/>",
        "<?xml version='1.0' encoding='utf-7'?><epp/>",
        "<epp/>",
        "<epp xmlns='{}'><command/></epp>",
    ],
)
def test_what_is_no_request_is_answered_as_a_syntax_error(
    transport: EppTransport, document: str
) -> None:
    transport.connect()
    transport.receive()
    for _ in range(2):  # the connection goes on
        transport.send(document.replace("{}", "urn:ietf:params:xml:ns:epp-1.0").encode())
        assert b'<result code="2001">' in transport.receive()


def test_one_that_cannot_start_says_so_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SERVER", "no_such_module")
    registry = EppRegistry()
    with pytest.raises(RuntimeError, match="has ended"):
        registry.start()
    assert registry._process is None


def test_one_that_hangs_is_ended_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # it cannot tidy up
    registry = EppRegistry()
    registry.start()
    assert registry._process is not None
    registry._process.send_signal(signal.SIGSTOP)
    assert registry.stop(timeout=0.1) == -signal.SIGKILL
