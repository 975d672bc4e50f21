"""What is said and understood: commands are escaped, replies parsed, document types refused."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventconnpool_gov.epp import Greeting, Login, LoginError, Response, TransportError
from geventconnpool_gov.epp.commands import check_domains, document, info_domain, is_harmless
from geventconnpool_gov.epp.responses import parse
from geventconnpool_gov.errors import PoolConnectError
from geventconnpool_gov.testing import epp_protocol as registry

names = st.lists(st.text("abc<>&\"'é-.", min_size=1), min_size=1, max_size=4)


def response(code: int, reason: str = "") -> Response:
    request = registry.Request("info", "ours", ("example.test",))
    parsed = parse(registry.reply(request, code, server_transaction="theirs", reason=reason))
    assert isinstance(parsed, Response)
    return parsed


@given(names)
def test_what_one_side_writes_the_other_reads(wanted: list[str]) -> None:
    request = registry.read(document(check_domains(wanted), "ours"))
    assert (request.command, request.transaction) == ("check", "ours")
    assert list(request.names) == wanted
    reply = parse(registry.reply(request, server_transaction="theirs"))
    assert isinstance(reply, Response)
    assert list(reply.availability()) == list(dict.fromkeys(name.strip() for name in wanted))
    assert (reply.client_transaction, reply.server_transaction) == ("ours", "theirs")


def test_a_login_hides_its_passwords_from_everything_but_the_wire() -> None:
    login = Login("registrar", "pass<word", new_password="new&word")
    assert "word" not in repr(login)
    assert "<pw>pass&lt;word</pw><newPW>new&amp;word</newPW>" in login.command()
    assert registry.read(document(login.command(), "t")).credentials == ("registrar", "pass<word")


@pytest.mark.parametrize(
    "command",
    [
        "<check>…</check>",
        '<poll op="req"/>',
        "<transfer op='query'>…</transfer>",
        " <info>…</info>",
    ],
)
def test_commands_that_change_nothing_are_harmless(command: str) -> None:
    assert is_harmless(command)


@pytest.mark.parametrize(
    "command",
    [
        "<create>…</create>",
        '<poll op="ack" msgID="1"/>',
        '<transfer op="request">…</transfer>',
        "<checkmate/>",
        "<!-- <check> --><delete/>",
        "",
    ],
)
def test_whatever_is_not_plainly_harmless_is_taken_for_a_change(command: str) -> None:
    assert not is_harmless(command)


@pytest.mark.parametrize("code", [1500, 2500, 2501, 2502])
def test_these_codes_end_a_session(code: int) -> None:
    assert response(code).ends_session


@pytest.mark.parametrize("code", [1000, 1300, 2001, 2002, 2303, 2400])
def test_these_codes_do_not(code: int) -> None:
    assert not response(code).ends_session


@pytest.mark.parametrize(
    "words", ["Registrar is not logged in", "Login required", "not authenticated", "log in first"]
)
def test_a_use_error_ends_a_session_when_it_says_that_nobody_is_logged_in(words: str) -> None:
    assert response(2002, words).logged_out
    assert response(2002, words).ends_session
    assert not response(2303, words).ends_session


@pytest.mark.parametrize("words", ["object is already pending", "blogging is not allowed"])
def test_a_use_error_about_something_else_does_not(words: str) -> None:
    assert not response(2002, words).ends_session


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE epp [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<epp xmlns="urn:ietf:params:xml:ns:epp-1.0"><response><result code="1000"><msg>&b;</msg>'
    b"</result></response></epp>"
)


@pytest.mark.parametrize("message", [BOMB, BOMB.decode().encode("utf-16")])
def test_a_document_type_is_refused_before_it_defines_anything(message: bytes) -> None:
    with pytest.raises(TransportError, match="document type"):
        parse(message.replace(b"aaaaaaaaaa", b"%undefined;"))


@given(st.binary())
def test_no_octets_at_all_end_in_anything_but_a_document_or_a_transport_error(noise: bytes) -> None:
    with contextlib.suppress(TransportError):
        parse(noise)


def test_a_greeting_names_its_server() -> None:
    greeting = parse(registry.greeting("2030-01-01T00:00:00Z"))
    assert greeting == Greeting("Loopback registry", "2030-01-01T00:00:00Z", greeting.element)


def test_errors_survive_pickling_and_a_refused_login_is_a_pool_error() -> None:
    refused = pickle.loads(pickle.dumps(LoginError(2200, "Authentication error")))
    assert isinstance(refused, PoolConnectError)
    assert str(refused) == "the registry answered 2200: Authentication error"
    broken = pickle.loads(pickle.dumps(TransportError("cut", maybe_executed=True)))
    assert broken.maybe_executed


def test_an_info_command_names_its_domain() -> None:
    assert registry.read(document(info_domain("a.test"), "t")).names == ("a.test",)
