"""Logged-in sessions, pooled, against a real registry that misbehaves on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventconnpool_gov.epp import (
    EppPool,
    Login,
    LoginError,
    SessionLimitError,
    TransportError,
    info_domain,
)
from geventconnpool_gov.epp.commands import POLL_REQUEST
from geventconnpool_gov.errors import PoolTimeout
from geventconnpool_gov.testing.epp_protocol import roid_of
from geventconnpool_gov.testing.epp_registry import EppRegistry

CREATE = "<create>…</create>"


def pool_for(registry: EppRegistry, size: int = 2, **options: Any) -> EppPool:
    defaults: dict[str, Any] = {
        "hostname": registry.host,
        "port": registry.port,
        "login": registry.login,
        "ssl_context": registry.client_context(),
        "timeout": 5.0,
        "command_timeout": 5.0,
    }
    return EppPool(size, **{**defaults, **options})


@pytest.fixture
def pool(registry: EppRegistry) -> Iterator[EppPool]:
    with pool_for(registry) as pool:
        pool.wait_until_ready(5)
        yield pool


def test_every_session_is_logged_in_and_logs_out_in_the_end(registry: EppRegistry) -> None:
    logouts = registry.commands.get("logout", 0)
    with pool_for(registry, 3) as pool:
        pool.wait_until_ready(5)
        assert registry.sessions == 3
    assert registry.sessions == 0
    assert registry.commands["logout"] == logouts + 3


def test_a_lent_session_answers(pool: EppPool) -> None:
    with pool.get() as session:
        assert session.check("free.test", "taken.test") == {"free.test": True, "taken.test": False}


def test_many_callers_each_get_their_own_reply(pool: EppPool) -> None:
    def roid(name: str) -> list[str]:
        return pool.send(info_domain(name)).texts(".//domain:roid")

    names = [f"name-{number}.test" for number in range(100)]
    callers = [gevent.spawn(roid, name) for name in names]
    assert [caller.get() for caller in callers] == [[roid_of(name)] for name in names]


def test_a_refused_login_is_told_at_once_to_whoever_waits(registry: EppRegistry) -> None:
    with pool_for(registry, login=Login("registrar", "wrong"), timeout=None) as pool:
        caller = gevent.spawn(pool.send, POLL_REQUEST)
        with pytest.raises(LoginError, match="2200"):
            caller.get(timeout=5)


def test_a_session_limit_is_waited_out_and_closes_nothing() -> None:
    with EppRegistry(session_limit=2) as registry, pool_for(registry, 3) as pool:
        with pytest.raises(PoolTimeout) as caught:
            pool.wait_until_ready(1)
        assert isinstance(caught.value.__cause__, SessionLimitError)
        assert registry.sessions == pool.stats().open == 2
        assert pool.send(POLL_REQUEST).code == 1300
        assert sum(pool.stats().closed.values()) == 0


def test_an_interrupted_login_leaves_no_connection(registry: EppRegistry) -> None:
    registry.fault("silence", command="login", count=4)
    with pool_for(registry, connect_timeout=0.1) as pool:
        with pytest.raises(PoolTimeout) as caught:
            pool.wait_until_ready(0.3)
        assert isinstance(caught.value.__cause__, (TimeoutError, TransportError))
    while registry.connections:
        gevent.sleep(0.01)


def test_sessions_that_idle_when_the_registry_drops_them_reach_no_caller(
    registry: EppRegistry, pool: EppPool
) -> None:
    infos = registry.commands.get("info", 0)
    registry.fault("drop")
    assert pool.send(info_domain("a.test"), attempts=1).code == 1000
    assert pool.stats().closed["peer_closed"] == 2
    assert registry.commands["info"] == infos + 1


def test_silently_logged_out_sessions_are_discarded_and_the_command_is_answered(
    registry: EppRegistry, pool: EppPool
) -> None:
    assert registry.fault("log_out") == 2
    assert pool.send(CREATE, attempts=1).code == 1000
    assert pool.stats().closed["discarded"] == 2


@pytest.mark.parametrize("code", [2500, 2501, 2502])
def test_a_session_that_a_reply_ended_is_not_lent_again(
    registry: EppRegistry, pool: EppPool, code: int
) -> None:
    registry.fault("result", code=code)
    with pool.get() as session:
        assert session.poll().code == code
    assert pool.stats().closed["discarded"] == 1
    assert pool.send(POLL_REQUEST, attempts=1).code == 1300


def test_a_broken_session_is_not_lent_again_though_its_caller_hid_the_error(
    registry: EppRegistry, pool: EppPool
) -> None:
    registry.fault("truncate")
    with pool.get() as session, contextlib.suppress(TransportError):
        session.poll()
    assert pool.stats().closed["discarded"] == 1
    assert pool.send(POLL_REQUEST, attempts=1).code == 1300


def test_a_reply_that_says_another_thing_went_wrong_keeps_the_session(
    registry: EppRegistry, pool: EppPool
) -> None:
    registry.fault("result", code=2400)
    assert pool.send(CREATE).code == 2400
    assert sum(pool.stats().closed.values()) == 0


@pytest.mark.parametrize("fault", ["truncate", "garbage", "oversize", "foreign_cltrid"])
def test_a_harmless_command_is_sent_again_when_its_reply_was_lost(
    registry: EppRegistry, pool: EppPool, fault: str
) -> None:
    registry.fault(fault, count=2)
    reply = pool.send(info_domain("mine.test"), attempts=3)
    assert reply.texts(".//domain:roid") == [roid_of("mine.test")]
    assert pool.stats().closed["broken"] == 2


def test_it_is_sent_so_many_times_and_no_more(registry: EppRegistry, pool: EppPool) -> None:
    registry.fault("truncate", count=3)
    with pytest.raises(TransportError):
        pool.send(info_domain("mine.test"), attempts=3)
    assert pool.send(info_domain("mine.test"), attempts=1).code == 1000


def test_a_command_that_may_have_been_executed_is_never_sent_again(
    registry: EppRegistry, pool: EppPool
) -> None:
    creates = registry.commands.get("create", 0)
    registry.fault("truncate")
    with pytest.raises(TransportError) as caught:
        pool.send(CREATE)
    assert caught.value.maybe_executed
    assert registry.commands["create"] == creates + 1


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_after_an_interrupted_command_the_next_caller_gets_its_own_reply(
    registry: EppRegistry, how: str
) -> None:
    with pool_for(registry, 1) as pool:
        pool.wait_until_ready(5)
        registry.fault("delay", seconds=0.25)
        if how == "kill":
            caller = gevent.spawn(pool.send, info_domain("stranger.test"))
            gevent.sleep(0.01)
            caller.kill()
        else:
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
                pool.send(info_domain("stranger.test"))
        reply = pool.send(info_domain("mine.test"))
        assert reply.texts(".//domain:roid") == [roid_of("mine.test")]
        assert pool.stats().closed["interrupted"] == 1


def test_a_restart_of_the_registry_is_survived(registry: EppRegistry, pool: EppPool) -> None:
    registry.fault("restart", down=0.2)
    assert pool.send(info_domain("a.test")).code == 1000
    pool.wait_until_ready(5)
    assert registry.sessions == 2


def test_the_keepalive_finds_a_session_that_was_logged_out(registry: EppRegistry) -> None:
    with pool_for(registry, 1, keepalive=0.05) as pool:
        pool.wait_until_ready(5)
        registry.fault("log_out")
        while not registry.sessions:
            gevent.sleep(0.01)
        stats = pool.stats()
        assert stats.closed["check_failed"] == 1
        assert stats.keepalives >= 1


def test_no_password_is_in_a_log_line_or_an_error(
    registry: EppRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pool_for(registry, login=Login("registrar", "open-sesame")) as pool:
        with pytest.raises(LoginError) as caught, pool.get():
            pass
        assert "sesame" not in f"{caplog.text} {caught.value!r} {pool!r} {pool.stats()}"


def test_a_probe_that_is_refused_for_whatever_reason_ends_its_session(
    registry: EppRegistry,
) -> None:
    with pool_for(registry, 1, keepalive=0.05) as pool:
        pool.wait_until_ready(5)
        registry.fault("result", code=2002, command="poll")
        gevent.sleep(0.2)
        assert pool.stats().closed["check_failed"] == 1


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("hostname", None),
        ("port", "abc"),
        ("port", 70_000),
        ("login", "registrar"),
        ("ssl_context", 5),
        ("command_timeout", -1),
    ],
)
def test_a_bad_argument_is_named(registry: EppRegistry, argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        pool_for(registry, **{argument: value})


def test_a_password_that_the_registry_quotes_is_masked() -> None:
    login = Login("registrar", "open-sesame", new_password="simsalabim")
    text = login.without_secrets("no such password: open-sesame, simsalabim")
    assert text == "no such password: ***, ***"
