"""Logged-in sessions, pooled, against a real registry that misbehaves on demand."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import Any

import gevent
import pytest

from geventconnpool_gov.epp import (
    Command,
    EppPool,
    Hello,
    Login,
    LoginError,
    Logout,
    PollRequest,
    SessionLimitError,
    TransportError,
)
from geventconnpool_gov.errors import PoolTimeout
from geventconnpool_gov.testing.epp_protocol import roid_of
from geventconnpool_gov.testing.epp_queries import check_domains, info_domain, roids
from geventconnpool_gov.testing.epp_registry import EppRegistry

CREATE = Command("<create>…</create>")
WRONG = Login("registrar", "open-sesame", [])
BREAKING = ["truncate", "garbage", "oversize", "empty", "foreign_cltrid"]


def closed(pool: EppPool) -> dict[str, int]:
    """Why sessions were closed, and how many."""
    return {reason: number for reason, number in pool.stats().closed.items() if number}


def test_every_session_is_logged_in_and_logs_out_in_the_end(
    registry: EppRegistry, make_pool: Any
) -> None:
    with make_pool(3) as pool:
        pool.wait_until_ready(5)
        assert registry.sessions == 3
    assert registry.sessions == 0
    assert registry.commands["logout"] == 3


def test_a_lent_client_answers(pool: EppPool) -> None:
    with pool.get() as client:
        assert client.greeting.sv_id == "Loopback registry"
        assert client.send(check_domains(["free.test"])).code == 1000


def test_many_callers_each_get_their_own_reply(pool: EppPool) -> None:
    names = [f"name-{number}.test" for number in range(100)]
    callers = [gevent.spawn(lambda name: roids(pool.send(info_domain(name))), n) for n in names]
    assert [caller.get() for caller in callers] == [[roid_of(name)] for name in names]


# -- logins


def test_a_refused_login_is_told_within_a_second_and_not_hammered(
    registry: EppRegistry, make_pool: Any
) -> None:
    pool = make_pool(5, login=WRONG, timeout=None)
    before = monotonic()
    callers = [gevent.spawn(pool.send, PollRequest()) for _ in range(10)]
    for caller in callers:
        with pytest.raises(LoginError, match="2200"):
            caller.get()
    assert monotonic() - before < 1
    while monotonic() - before < 2:
        with pytest.raises(LoginError):
            pool.send(PollRequest())
    assert registry.commands["login"] <= 6


def test_a_registry_in_trouble_is_waited_for(registry: EppRegistry, make_pool: Any) -> None:
    registry.fault("result", code=2400, command="login", count=3)
    assert make_pool(1).send(PollRequest()).code == 1300


def test_below_a_session_limit_the_sessions_there_are_serve_and_more_come_when_there_is_room(
    registry: EppRegistry, make_pool: Any
) -> None:
    registry.fault("session_limit", limit=2)
    pool = make_pool(4)
    with pytest.raises(PoolTimeout) as caught:
        pool.wait_until_ready(0.5)
    assert isinstance(caught.value.__cause__, SessionLimitError)
    assert registry.sessions == pool.stats().open == 2
    callers = [gevent.spawn(pool.send, info_domain(f"{n}.test")) for n in range(50)]
    assert {caller.get().code for caller in callers} == {1000}
    assert closed(pool) == {}
    registry.fault("clear")
    with contextlib.ExitStack() as leases:  # somebody waits, so it is tried within two seconds
        for _ in range(4):
            leases.enter_context(pool.get())
    assert registry.sessions == 4


def test_a_session_limit_is_not_hammered_while_callers_wait(
    registry: EppRegistry, make_pool: Any
) -> None:
    registry.fault("session_limit", limit=1)
    pool = make_pool(2)
    with pool.get(), pytest.raises(PoolTimeout), pool.get(timeout=1.5):
        pass
    assert registry.commands["login"] <= 10


def test_an_interrupted_login_leaves_no_connection(registry: EppRegistry, make_pool: Any) -> None:
    registry.fault("silence", command="login", count=40)
    with make_pool(2, connect_timeout=0.1) as pool:
        with pytest.raises(PoolTimeout) as caught:
            pool.wait_until_ready(0.3)
        assert isinstance(caught.value.__cause__, (TimeoutError, TransportError))
    while registry.connections:
        gevent.sleep(0.01)


def test_a_black_hole_at_connect_is_bounded_and_survived(
    registry: EppRegistry, make_pool: Any
) -> None:
    registry.fault("black_hole")
    pool = make_pool(2, connect_timeout=0.2)
    before = monotonic()
    with pytest.raises(PoolTimeout) as caught, pool.get(timeout=0.5):
        pass
    assert monotonic() - before < 1
    assert "0.2 s" in str(caught.value.__cause__)
    registry.fault("clear")
    assert pool.send(PollRequest()).code == 1300


def test_connects_that_a_filter_drops_are_tried_again(
    registry: EppRegistry, make_pool: Any
) -> None:
    registry.fault("turn_away", count=3)
    assert make_pool(2).send(PollRequest()).code == 1300


# -- sessions that end


@pytest.mark.parametrize("reason", ["Registrar is not logged in", ""])
@pytest.mark.parametrize("command", [CREATE, info_domain("a.test")])
def test_a_logged_out_session_in_use_is_replaced_and_the_command_answered(
    registry: EppRegistry, pool: EppPool, command: Command, reason: str
) -> None:
    assert registry.fault("log_out", reason=reason) == 2
    assert pool.send(command, attempts=1).code == 1000
    assert closed(pool) == {"discarded": 2}


@pytest.mark.parametrize("reason", ["Registrar is not logged in", ""])
def test_a_logged_out_session_is_not_lent_again_by_get_either(
    registry: EppRegistry, make_pool: Any, reason: str
) -> None:
    pool = make_pool(1)
    pool.wait_until_ready(5)
    registry.fault("log_out", reason=reason)
    with pool.get() as client:
        assert client.send(CREATE).code == 2002
    with pool.get() as client:
        assert client.send(CREATE).code == 1000


@pytest.mark.parametrize("lent", [False, True])
def test_a_probe_that_is_not_answered_holds_nobody_up(
    registry: EppRegistry, make_pool: Any, lent: bool
) -> None:
    pool = make_pool(1, check_timeout=0.2)
    pool.wait_until_ready(5)
    registry.fault("log_out", reason="")
    registry.fault("silence", command="poll")
    before = monotonic()
    if lent:
        with pool.get() as client:
            assert client.send(CREATE).code == 2002
    else:
        assert pool.send(CREATE).code == 2002
    assert monotonic() - before < 1
    assert sum(closed(pool).values()) == 1
    assert pool.send(CREATE, attempts=1).code == 1000


def test_a_logged_out_session_is_found_at_borrow(registry: EppRegistry, make_pool: Any) -> None:
    pool = make_pool(2, check_after=0.05)
    pool.wait_until_ready(5)
    registry.fault("log_out", reason="")
    gevent.sleep(0.1)
    with pool.get() as client:
        assert client.send(CREATE).code == 1000
    assert pool.stats().checks >= 1


def test_the_keepalive_finds_a_session_that_was_logged_out(
    registry: EppRegistry, make_pool: Any
) -> None:
    pool = make_pool(1, keepalive=0.05)
    pool.wait_until_ready(5)
    registry.fault("log_out", reason="")
    while not registry.sessions:
        gevent.sleep(0.01)
    assert closed(pool) == {"check_failed": 1}
    assert pool.stats().keepalives >= 1


def test_the_caller_may_name_the_probe(registry: EppRegistry, make_pool: Any) -> None:
    pool = make_pool(1, keepalive=0.05, probe=info_domain("free-for-probes.test"))
    pool.wait_until_ready(5)
    while registry.commands.get("info", 0) < 3:
        gevent.sleep(0.01)
    assert closed(pool) == {}  # 2303: it does not exist, says somebody who knows us
    assert "poll" not in registry.commands


@pytest.mark.parametrize("code", [2002, 2101, 2200, 2500])
def test_a_probe_that_is_refused_ends_its_session(
    registry: EppRegistry, make_pool: Any, code: int
) -> None:
    pool = make_pool(1, keepalive=0.05)
    registry.fault("result", code=code, command="poll")
    while not closed(pool):
        gevent.sleep(0.01)
    assert closed(pool) == {"check_failed": 1}


def test_a_registry_in_trouble_at_a_probe_costs_no_session(
    registry: EppRegistry, make_pool: Any
) -> None:
    pool = make_pool(1, keepalive=0.05)
    registry.fault("result", code=2400, command="poll")
    while registry.commands.get("poll", 0) < 3:
        gevent.sleep(0.01)
    assert closed(pool) == {}


@pytest.mark.parametrize("code", [1500, 2500, 2501, 2502])
def test_a_session_that_a_reply_ended_is_not_lent_again(
    registry: EppRegistry, pool: EppPool, code: int
) -> None:
    registry.fault("result", code=code)
    with pool.get() as client:
        assert client.send(PollRequest()).code == code
    assert closed(pool) == {"discarded": 1}
    assert pool.send(PollRequest(), attempts=1).code == 1300


@pytest.mark.parametrize("code", [2500, 2501, 2502])
def test_a_query_is_asked_again_where_the_session_ended_and_a_change_is_not(
    registry: EppRegistry, pool: EppPool, code: int
) -> None:
    registry.fault("result", code=code, count=2)
    assert pool.send(info_domain("a.test")).code == 1000
    registry.fault("result", code=code)
    assert pool.send(CREATE).code == code


@pytest.mark.parametrize("code", [2002, 2303, 2400])
def test_a_reply_that_says_another_thing_went_wrong_keeps_the_session(
    registry: EppRegistry, pool: EppPool, code: int
) -> None:
    registry.fault("result", code=code)
    assert pool.send(CREATE).code == code
    assert closed(pool) == {}


def test_sessions_that_idle_when_the_registry_drops_them_reach_no_caller(
    registry: EppRegistry, pool: EppPool
) -> None:
    registry.fault("drop")
    assert pool.send(info_domain("a.test"), attempts=1).code == 1000
    assert closed(pool) == {"peer_closed": 2}
    assert registry.commands["info"] == 1


def test_a_restart_of_the_registry_is_survived(registry: EppRegistry, pool: EppPool) -> None:
    registry.fault("restart", down=0.2)
    assert pool.send(info_domain("a.test")).code == 1000
    pool.wait_until_ready(5)
    assert registry.sessions == 2


# -- what a caller cannot get round


@pytest.mark.parametrize("fault", BREAKING)
def test_a_broken_session_is_not_lent_again_though_its_caller_hid_the_error(
    registry: EppRegistry, pool: EppPool, fault: str
) -> None:
    registry.fault(fault)
    with pool.get() as client, contextlib.suppress(TransportError):
        client.send(PollRequest())
    assert closed(pool) == {"discarded": 1}
    assert pool.send(PollRequest(), attempts=1).code == 1300


def log_out(client: Any) -> None:
    assert client.send(Logout()).code == 1500


def log_in_again(client: Any) -> None:
    assert client.send(WRONG).code == 2002


def use_the_transport(client: Any) -> None:
    client.transport.send(PollRequest().xml())


def close(client: Any) -> None:
    client.close()


def connect_anew(client: Any) -> None:
    client.close()
    client.connect()


def connect_below(client: Any) -> None:
    client.transport.close()
    client.transport.connect()


@pytest.mark.parametrize(
    "mischief", [log_out, log_in_again, use_the_transport, close, connect_anew, connect_below]
)
def test_whatever_a_caller_does_with_a_client_the_next_one_is_served(
    make_pool: Any, mischief: Any
) -> None:
    pool = make_pool(1)
    with pool.get() as client:
        mischief(client)
        assert not client.lendable
    assert pool.send(CREATE, attempts=1).code == 1000
    assert sum(closed(pool).values()) == 1


def test_a_reply_that_a_caller_left_on_the_way_reaches_nobody(
    registry: EppRegistry, make_pool: Any
) -> None:
    pool = make_pool(1)
    pool.wait_until_ready(5)
    registry.fault("delay", seconds=0.1)
    with pool.get() as client:
        client.transport.send(PollRequest().xml())
    assert pool.send(CREATE, attempts=1).code == 1000


def test_a_login_or_logout_through_the_pool_is_answered_and_costs_a_session(
    pool: EppPool,
) -> None:
    assert pool.send(Logout()).code == 1500
    assert pool.send(WRONG).code == 2002
    assert closed(pool) == {"discarded": 2}
    assert pool.send(CREATE, attempts=1).code == 1000


def test_a_schema_that_a_caller_sets_is_not_the_next_ones(pool: EppPool) -> None:
    for _ in range(3):
        with pool.get() as client:
            assert client.schema is None
            client.schema = object()


# -- retries


@pytest.mark.parametrize("fault", BREAKING)
def test_a_query_is_sent_again_when_its_reply_was_lost(
    registry: EppRegistry, pool: EppPool, fault: str
) -> None:
    registry.fault(fault, count=2)
    assert roids(pool.send(info_domain("mine.test"), attempts=3)) == [roid_of("mine.test")]
    assert closed(pool) == {"broken": 2}


def test_it_is_sent_so_many_times_and_no_more(registry: EppRegistry, pool: EppPool) -> None:
    registry.fault("truncate", count=3)
    with pytest.raises(TransportError):
        pool.send(info_domain("mine.test"), attempts=3)
    assert registry.commands["info"] == 3


@pytest.mark.parametrize("fault", [*BREAKING, "silence"])
@pytest.mark.parametrize("verb", ["create", "renew", "transfer", "update", "delete"])
def test_a_change_that_may_have_been_executed_is_never_sent_again(
    registry: EppRegistry, pool: EppPool, fault: str, verb: str
) -> None:
    registry.fault(fault)
    with pytest.raises(TransportError) as caught:
        pool.send(Command(f"<{verb}/>"), 0.1)
    assert caught.value.maybe_executed
    assert registry.commands[verb] == 1


class Masked(Command):
    """A subclass that calls itself a query, and changes something."""


def test_the_document_decides_what_is_a_query_and_not_the_name_of_its_class(
    registry: EppRegistry, pool: EppPool
) -> None:
    registry.fault("truncate")
    with pytest.raises(TransportError):
        pool.send(Masked("<delete/>"))
    assert registry.commands["delete"] == 1


def test_hello_is_answered_by_any_session(registry: EppRegistry, pool: EppPool) -> None:
    registry.fault("truncate", command="hello")
    assert pool.send(Hello()).sv_id == "Loopback registry"
    assert registry.commands["hello"] == 2


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_after_an_interrupted_command_the_next_caller_gets_its_own_reply(
    registry: EppRegistry, make_pool: Any, how: str
) -> None:
    pool = make_pool(1)
    pool.wait_until_ready(5)
    registry.fault("delay", seconds=0.25)
    if how == "kill":
        caller = gevent.spawn(pool.send, info_domain("stranger.test"))
        gevent.sleep(0.01)
        caller.kill()
    else:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            pool.send(info_domain("stranger.test"))
    assert roids(pool.send(info_domain("mine.test"))) == [roid_of("mine.test")]
    assert closed(pool) == {"interrupted": 1}


# -- the end, and what is said


def test_a_close_is_not_held_up_by_a_registry_that_does_not_answer_logouts(
    registry: EppRegistry, make_pool: Any
) -> None:
    pool = make_pool(2, check_timeout=0.2)
    pool.wait_until_ready(5)
    registry.fault("silence", command="logout", count=2)
    before = monotonic()
    pool.close()
    assert monotonic() - before < 1
    while registry.connections:
        gevent.sleep(0.01)


def test_no_password_and_no_document_is_in_a_log_line_or_an_error(
    registry: EppRegistry, make_pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    pool = make_pool(1)
    registry.fault("truncate")
    pool.send(info_domain("secret.test"))
    refused = make_pool(1, login=WRONG)
    with pytest.raises(LoginError) as caught, refused.get():
        pass
    said = f"{caplog.text} {caught.value!r} {refused!r} {refused.stats()} {vars(refused)}"
    for secret in ("sesame", registry.credentials[1], "secret.test", "<epp"):
        assert secret not in said


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("hostname", None),
        ("port", "abc"),
        ("port", 70_000),
        ("login", "registrar"),
        ("login", PollRequest()),
        ("login", Command("<login>")),
        ("login", Login("registrar", "old", [], new_pw="new")),
        ("probe", Hello()),
        ("probe", CREATE),
        ("ssl_context", 5),
        ("command_timeout", -1),
    ],
)
def test_a_bad_argument_is_named(make_pool: Any, argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        make_pool(1, **{argument: value})


@pytest.mark.parametrize("second", ["cert_file", "key_file", "password"])
def test_a_context_and_a_certificates_files_are_not_mixed(make_pool: Any, second: str) -> None:
    with pytest.raises(ValueError, match="not both"):
        make_pool(1, **{second: "x"})


def test_the_certificate_whose_file_it_is_given_is_shown_to_the_registry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EppRegistry(client_certificate=True) as registry:
        monkeypatch.setenv("SSL_CERT_FILE", registry.ca_file)  # trusted, as a public one is
        options = {**registry.pool_arguments(), "ssl_context": None, "timeout": 5.0}
        with EppPool(1, **options, cert_file=registry.client_file) as pool:
            assert pool.send(PollRequest()).code == 1300
