"""One session with a real registry: its own replies, in time, or an end that is plain to see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import monotonic
from typing import Any

import gevent
import gevent.socket
import peers
import pytest
from epp import fuzz
from hypothesis import given, settings
from hypothesis import strategies as st

from geventconnpool_gov.epp import (
    Command,
    CommandError,
    DocumentError,
    EppClient,
    EppTransport,
    Greeting,
    Hello,
    Login,
    LoginError,
    Logout,
    PollRequest,
    SessionLimitError,
    TransportError,
)
from geventconnpool_gov.epp.frames import pack
from geventconnpool_gov.testing import epp_protocol
from geventconnpool_gov.testing.epp_protocol import roid_of
from geventconnpool_gov.testing.epp_queries import (
    availability,
    check_domains,
    info_domain,
    roids,
)
from geventconnpool_gov.testing.epp_registry import EppRegistry

WRONG = Login("registrar", "open-sesame", [])


def test_a_client_greets_logs_in_works_and_logs_out(
    registry: EppRegistry, transport: EppTransport
) -> None:
    client = EppClient(transport)
    assert client.greeting is None
    client.connect()
    assert client.greeting.sv_id == "Loopback registry"
    client.login(registry.login)
    assert registry.sessions == 1
    found = client.send(check_domains(["taken.test", "free.test"]))
    assert availability(found) == {"taken.test": False, "free.test": True}
    assert roids(client.send(info_domain("taken.test"))) == [roid_of("taken.test")]
    assert client.send(info_domain("free.test")).code == 2303
    assert client.send(PollRequest()).code == 1300
    assert client.send(Hello()).sv_id == client.greeting.sv_id
    assert client.send(Logout()).code == 1500
    assert registry.sessions == 0
    assert not client.usable


def test_a_client_is_a_context_manager(registry: EppRegistry, transport: EppTransport) -> None:
    with EppClient(transport) as client:
        client.login(registry.login)
    assert transport.socket is None


def test_every_command_has_a_transaction_number_of_its_own(client: EppClient) -> None:
    numbers = [client.send(PollRequest()).cl_tr_id for _ in range(20)]
    assert len(set(numbers)) == 20
    assert all(3 <= len(number) <= 64 for number in numbers)


def test_the_caller_may_choose_the_transaction_number(client: EppClient) -> None:
    assert client.send(PollRequest(), tr_id="mine-1").cl_tr_id == "mine-1"


def test_two_sessions_never_number_alike(registry: EppRegistry, client: EppClient) -> None:
    context = registry.client_context()
    with EppClient(EppTransport(registry.host, registry.port, ssl_context=context)) as other:
        other.login(registry.login)
        assert other.send(PollRequest()).cl_tr_id != client.send(PollRequest()).cl_tr_id


@pytest.mark.parametrize("code", [2200, 2501, 2307, 2001])
def test_a_refused_login_is_a_login_error(
    registry: EppRegistry, transport: EppTransport, code: int
) -> None:
    registry.fault("refuse_login", code=code)
    with EppClient(transport) as client:
        with pytest.raises(LoginError) as caught:
            client.login(registry.login)
        assert caught.value.code == code
        assert not client.logged_in


def test_a_wrong_password_is_refused_and_never_quoted(transport: EppTransport) -> None:
    with EppClient(transport) as client:
        with pytest.raises(LoginError) as caught:
            client.login(WRONG)
        assert "sesame" not in f"{caught.value!r} {caught.value} {client!r} {vars(client)}"


def test_a_password_that_the_registry_quotes_is_not_passed_on() -> None:
    def talk(sock: Any) -> None:
        sock.sendall(pack(epp_protocol.greeting("2029-12-31T23:59:59Z")))
        login = epp_protocol.read(sock.recv(4096)[4:])
        refused = epp_protocol.reply(login, 2200, server_transaction="1")
        sock.sendall(pack(refused.replace(b"Authentication error", b"not with open-sesame")))

    with peers.scripted(talk, tls=True) as peer:
        client = EppClient(EppTransport(*peer.address, ssl_context=peer.client_context()))
        with client, pytest.raises(LoginError, match=r"not with \*\*\*"):
            client.login(WRONG)


@pytest.mark.parametrize("code", [2400, 2500])
def test_a_registry_in_trouble_is_no_login_error(
    registry: EppRegistry, transport: EppTransport, code: int
) -> None:
    registry.fault("result", code=code, command="login")
    with EppClient(transport) as client:
        with pytest.raises(CommandError, match=str(code)) as caught:
            client.login(registry.login)
        assert not isinstance(caught.value, LoginError)


def test_a_session_limit_has_an_error_of_its_own(registry: EppRegistry, client: EppClient) -> None:
    registry.fault("session_limit", limit=1)
    context = registry.client_context()
    second = EppClient(EppTransport(registry.host, registry.port, ssl_context=context))
    with second, pytest.raises(SessionLimitError, match="2502"):
        second.login(registry.login)
    assert client.send(PollRequest()).code == 1300


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("foreign_cltrid", "another clTRID"),
        ("garbage", "not XML"),
        ("oversize", "above the limit"),
        ("empty", "empty frame"),
        ("truncate", "message bytes"),
    ],
)
def test_a_reply_that_cannot_be_trusted_is_an_error_and_never_a_result(
    registry: EppRegistry, client: EppClient, fault: str, words: str
) -> None:
    registry.fault(fault)
    with pytest.raises(TransportError, match=words) as caught:
        client.send(info_domain("mine.test"))
    assert caught.value.maybe_executed
    assert not client.usable
    assert not client.transport.usable
    with pytest.raises(TransportError):
        client.send(info_domain("mine.test"))


@contextlib.contextmanager
def client_answered_by(reply: bytes) -> Iterator[EppClient]:
    """A client whose peer greets, and then answers everything by this very document."""

    def talk(sock: Any) -> None:
        sock.sendall(pack(epp_protocol.greeting("2029-12-31T23:59:59Z")))
        while sock.recv(4096):
            sock.sendall(pack(reply))

    with (
        peers.scripted(talk, tls=True) as peer,
        EppClient(EppTransport(*peer.address, ssl_context=peer.client_context())) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("request_", "transaction", "fits"),
    [
        (PollRequest(), "ours", True),
        (PollRequest(), None, False),
        (PollRequest(), "OURS", False),
        (Hello(), "ours", False),
    ],
)
def test_a_reply_counts_only_with_the_clTRID_that_was_sent(  # noqa: N802  RFC 5730's name
    request_: Any, transaction: str | None, fits: bool
) -> None:
    poll = epp_protocol.Request("poll", transaction)
    with client_answered_by(epp_protocol.reply(poll, 1300, server_transaction="1")) as client:
        if fits:
            assert client.send(request_, tr_id="ours").code == 1300
        else:
            with pytest.raises(TransportError):
                client.send(request_, tr_id="ours")
        assert client.usable == fits


def test_a_greeting_is_no_answer_to_a_command() -> None:
    with client_answered_by(epp_protocol.greeting("2030-01-01T00:00:00Z")) as client:
        assert client.send(Hello()).sv_date == "2030-01-01T00:00:00Z"
        with pytest.raises(TransportError, match="greeting"):
            client.send(PollRequest())


def test_a_greeting_is_no_response_to_whoever_asks_for_one(client: EppClient) -> None:
    with pytest.raises(DocumentError, match="greeting"):
        client.ask(Hello())
    assert client.lendable


def test_the_greeting_is_the_last_one() -> None:
    with client_answered_by(epp_protocol.greeting("2030-01-01T00:00:00Z")) as client:
        assert client.greeting.sv_date == "2029-12-31T23:59:59Z"
        client.send(Hello())
        assert client.greeting.sv_date == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize("code", [1500, 2500, 2501, 2502])
def test_a_closing_code_is_a_result_and_the_sessions_end(
    registry: EppRegistry, client: EppClient, code: int
) -> None:
    registry.fault("result", code=code)
    assert client.send(info_domain("mine.test")).code == code
    assert client.ended_by == code
    assert not client.usable
    with pytest.raises(TransportError, match=str(code)) as caught:
        client.send(info_domain("mine.test"))
    assert not caught.value.maybe_executed


def test_a_silent_logout_shows_in_a_poll_and_not_in_a_hello(
    registry: EppRegistry, client: EppClient
) -> None:
    registry.fault("log_out")
    assert client.send(Hello()).sv_id
    assert client.lendable
    assert client.send(PollRequest()).code == 2002
    assert client.logged_out
    assert not client.lendable


@pytest.mark.parametrize("command", [Logout(), WRONG])
def test_a_login_or_logout_that_a_caller_sends_makes_the_client_unfit_to_be_lent(
    client: EppClient, command: Any
) -> None:
    assert client.lendable
    client.send(command)
    assert not client.lendable


def test_use_of_the_transport_behind_the_client_makes_it_unfit_to_be_lent(
    client: EppClient,
) -> None:
    client.transport.send(PollRequest().xml(tr_id="mine"))
    client.transport.receive()
    assert client.usable
    assert not client.lendable


class NotARequest:
    response_class = Greeting

    def xml(self, tr_id: str | None = None, schema: Any = None) -> bytes:
        return b"<epp/>"


def test_what_is_no_epp_request_is_not_sent(client: EppClient) -> None:
    with pytest.raises(DocumentError):
        client.send(NotARequest())
    with pytest.raises(DocumentError, match="not XML"):
        client.send(Command("<info>"))
    assert client.send(PollRequest()).code == 1300


class Fastidious(PollRequest):
    """A request whose class for responses understands none."""

    @property
    def response_class(self) -> Any:
        return self

    def parse(self, raw_response: bytes, schema: Any) -> Any:
        raise KeyError(raw_response)


def test_a_reply_that_its_class_cannot_read_leaves_the_client_as_fit_as_it_was(
    client: EppClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyError):
        client.send(Fastidious())
    assert client.lendable
    assert client.send(PollRequest()).code == 1300
    assert "cannot read a reply with code 1300: KeyError" in caplog.text
    assert "<epp" not in caplog.text


def test_what_ended_a_session_is_known_though_the_class_cannot_read_it(
    registry: EppRegistry, client: EppClient
) -> None:
    registry.fault("result", code=2500)
    with pytest.raises(KeyError):
        client.send(Fastidious())
    assert client.ended_by == 2500


def test_a_command_and_its_whole_reply_have_one_deadline(
    registry: EppRegistry, client: EppClient
) -> None:
    registry.fault("silence")
    before = monotonic()
    with pytest.raises(TransportError, match=r"0 of 4 header bytes: the limit of 0\.\d+ s"):
        client.send(PollRequest(), timeout=0.1)
    assert monotonic() - before < 1


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_an_interrupted_command_leaves_no_reply_for_the_next(
    registry: EppRegistry, client: EppClient, how: str
) -> None:
    registry.fault("delay", seconds=0.25)
    if how == "kill":
        caller = gevent.spawn(client.send, info_domain("stranger.test"))
        gevent.sleep(0.01)
        caller.kill()
    else:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            client.send(info_domain("stranger.test"))
    gevent.socket.wait_read(client.transport.socket.fileno())  # the stranger's reply is there
    with pytest.raises(TransportError, match="not answered"):
        client.send(info_domain("mine.test"))


def test_an_interrupt_between_command_and_reply_leaves_the_client_unusable(
    client: EppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(timeout: float | None = None) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client.transport, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.send(info_domain("stranger.test"))
    assert not client.usable
    with pytest.raises(TransportError, match="not answered"):
        client.send(info_domain("mine.test"))


@pytest.mark.parametrize("first_word", [b"", pack(b"<epp/>"), pack(b"not XML")])
def test_without_a_greeting_nothing_stays_open(first_word: bytes) -> None:
    with peers.half_message(first_word, tls=True) as peer:
        transport = EppTransport(*peer.address, ssl_context=peer.client_context())
        client = EppClient(transport, command_timeout=0.05)
        with pytest.raises(TransportError):
            client.connect()
        assert transport.socket is None
        assert not client.usable


@pytest.mark.parametrize(
    ("code", "error"), [(2502, SessionLimitError), (2400, CommandError), (1000, TransportError)]
)
def test_a_response_in_the_greetings_place_is_told_for_what_it_is(
    code: int, error: type[Exception]
) -> None:
    word = epp_protocol.reply(epp_protocol.Request("", None), code, server_transaction="1")
    with peers.half_message(pack(word), tls=True) as peer:
        transport = EppTransport(*peer.address, ssl_context=peer.client_context())
        with pytest.raises(error, match=str(code)):
            EppClient(transport).connect()
        assert transport.socket is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_comes_of_a_corrupt_stream_but_answers_and_errors(data: st.DataObject) -> None:
    fuzz.one_connection(data)
