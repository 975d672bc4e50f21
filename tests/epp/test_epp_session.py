"""One session with a real registry: its own replies, in time, or an end that is plain to see."""

from __future__ import annotations

from time import monotonic

import gevent
import gevent.socket
import peers
import pytest

from geventconnpool_gov.epp import (
    CommandError,
    EppSession,
    EppTransport,
    Login,
    LoginError,
    SessionLimitError,
    TransportError,
)
from geventconnpool_gov.epp.frames import pack
from geventconnpool_gov.testing.epp_protocol import roid_of
from geventconnpool_gov.testing.epp_registry import EppRegistry


def test_a_session_greets_logs_in_works_and_logs_out(
    registry: EppRegistry, transport: EppTransport
) -> None:
    session = EppSession(transport)
    assert session.connect().server_id == "Loopback registry"
    assert session.login(registry.login).code == 1000
    assert registry.sessions == 1
    assert session.check("taken.test", "free.test") == {"taken.test": False, "free.test": True}
    assert session.info("taken.test").texts(".//domain:roid") == [roid_of("taken.test")]
    assert session.info("free.test").code == 2303
    assert session.poll().code == 1300
    assert session.hello().server_id == "Loopback registry"
    assert session.logout().code == 1500
    assert registry.sessions == 0
    assert not session.usable


def test_every_command_has_a_transaction_number_of_its_own(session: EppSession) -> None:
    numbers = [session.info("a.test").client_transaction for _ in range(20)]
    assert len(set(numbers)) == 20
    assert all(number is not None and 3 <= len(number) <= 64 for number in numbers)


def test_two_sessions_never_number_alike(registry: EppRegistry, session: EppSession) -> None:
    context = registry.client_context()
    other = EppSession(EppTransport(registry.host, registry.port, ssl_context=context))
    other.connect()
    other.login(registry.login)
    assert other.poll().client_transaction != session.poll().client_transaction
    other.close()


@pytest.mark.parametrize("code", [2200, 2501])
def test_a_refused_login_is_a_login_error(
    registry: EppRegistry, transport: EppTransport, code: int
) -> None:
    registry.fault("refuse_login", code=code)
    session = EppSession(transport)
    session.connect()
    with pytest.raises(LoginError) as caught:
        session.login(registry.login)
    assert caught.value.code == code
    assert not session.logged_in


def test_a_wrong_password_is_refused_and_never_quoted(
    registry: EppRegistry, transport: EppTransport
) -> None:
    session = EppSession(transport)
    session.connect()
    with pytest.raises(LoginError) as caught:
        session.login(Login("registrar", "open-sesame"))
    assert "sesame" not in f"{caught.value!r} {caught.value} {session!r} {vars(session)}"


def test_another_refusal_is_no_login_error(registry: EppRegistry, transport: EppTransport) -> None:
    registry.fault("result", code=2400, command="login")
    session = EppSession(transport)
    session.connect()
    with pytest.raises(CommandError, match="2400") as caught:
        session.login(registry.login)
    assert not isinstance(caught.value, LoginError)


def test_a_session_limit_has_an_error_of_its_own() -> None:
    with EppRegistry(session_limit=1) as registry:
        context = registry.client_context()
        first, second = (
            EppSession(EppTransport(registry.host, registry.port, ssl_context=context))
            for _ in range(2)
        )
        first.connect()
        first.login(registry.login)
        second.connect()
        with pytest.raises(SessionLimitError, match="2502"):
            second.login(registry.login)
        assert first.poll().code == 1300
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("foreign_cltrid", "another clTRID"),
        ("garbage", "not XML"),
        ("oversize", "above the limit"),
        ("truncate", "message bytes"),
    ],
)
def test_a_reply_that_cannot_be_trusted_is_an_error_and_never_a_result(
    registry: EppRegistry, session: EppSession, fault: str, words: str
) -> None:
    registry.fault(fault)
    with pytest.raises(TransportError, match=words) as caught:
        session.info("mine.test")
    assert caught.value.maybe_executed
    assert not session.usable
    assert not session.transport.usable
    with pytest.raises(TransportError):
        session.info("mine.test")


@pytest.mark.parametrize("code", [2500, 2501, 2502])
def test_a_closing_code_is_a_result_and_the_sessions_end(
    registry: EppRegistry, session: EppSession, code: int
) -> None:
    registry.fault("result", code=code)
    assert session.info("mine.test").code == code
    assert not session.usable
    with pytest.raises(TransportError, match=str(code)) as caught:
        session.info("mine.test")
    assert not caught.value.maybe_executed


def test_a_silent_logout_shows_in_a_poll_and_not_in_a_hello(
    registry: EppRegistry, session: EppSession
) -> None:
    registry.fault("log_out")
    assert session.hello().server_id
    assert session.poll().logged_out
    assert not session.usable


def test_a_command_and_its_whole_reply_have_one_deadline(
    registry: EppRegistry, session: EppSession
) -> None:
    registry.fault("silence")
    before = monotonic()
    with pytest.raises(TransportError, match=r"0 of 4 header bytes: the limit of 0\.\d+ s"):
        session.send("<info/>", timeout=0.1)
    assert monotonic() - before < 1


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_an_interrupted_command_leaves_no_reply_for_the_next(
    registry: EppRegistry, session: EppSession, how: str
) -> None:
    registry.fault("delay", seconds=0.25)
    if how == "kill":
        caller = gevent.spawn(session.info, "stranger.test")
        gevent.sleep(0.01)
        caller.kill()
    else:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            session.info("stranger.test")
    gevent.socket.wait_read(session.transport.socket.fileno())  # the stranger's reply is there
    with pytest.raises(TransportError, match="not answered"):
        session.info("mine.test")


def test_an_interrupt_between_command_and_reply_leaves_the_session_unusable(
    session: EppSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(timeout: float | None = None) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session.transport, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.info("stranger.test")
    assert not session.usable
    with pytest.raises(TransportError, match="not answered"):
        session.info("mine.test")


@pytest.mark.parametrize("first_word", [b"", pack(b"<epp/>"), pack(b"not XML")])
def test_without_a_greeting_nothing_stays_open(first_word: bytes) -> None:
    with peers.half_message(first_word, tls=True) as peer:
        transport = EppTransport(*peer.address, ssl_context=peer.client_context())
        session = EppSession(transport, command_timeout=0.05)
        with pytest.raises(TransportError):
            session.connect()
        assert transport.socket is None
        assert not session.usable
