"""What is said and understood: requests and replies are known by their documents alone."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventconnpool_gov.epp import (
    Command,
    DocumentError,
    Greeting,
    Hello,
    Login,
    LoginError,
    Logout,
    PollRequest,
    Response,
    TransportError,
)
from geventconnpool_gov.epp.requests import read_request
from geventconnpool_gov.epp.responses import read_reply
from geventconnpool_gov.errors import PoolConnectError
from geventconnpool_gov.testing import epp_protocol as registry
from geventconnpool_gov.testing.epp_queries import availability, check_domains, info_domain

names = st.lists(st.text("abc<>&\"'é-.", min_size=1), min_size=1, max_size=4)


def response(code: int, reason: str = "") -> Response:
    request = registry.Request("info", "ours", ("example.test",))
    return Response.parse(registry.reply(request, code, server_transaction="1", reason=reason))


def asked(text: str) -> Any:
    return read_request(Command(text).xml(tr_id="ours"))


@given(names)
def test_what_one_side_writes_the_other_reads(wanted: list[str]) -> None:
    request = registry.read(check_domains(wanted).xml(tr_id="ours"))
    assert (request.command, request.transaction) == ("check", "ours")
    assert list(request.names) == wanted
    reply = Response.parse(registry.reply(request, server_transaction="theirs"))
    assert list(availability(reply)) == list(dict.fromkeys(name.strip() for name in wanted))
    assert (reply.cl_tr_id, reply.sv_tr_id) == ("ours", "theirs")


def test_a_login_hides_its_passwords_from_everything_but_the_wire() -> None:
    login = Login("registrar", "open<sesame", ["urn:a"], new_pw="simsala&bim", ext_uris=["urn:b"])
    document = login.xml(tr_id="t")
    assert b"<pw>open&lt;sesame</pw><newPW>simsala&amp;bim</newPW>" in document
    assert registry.read(document).credentials == ("registrar", "open<sesame")
    known = read_request(document)
    assert known.kind == "login"
    for secret in ("sesame", "simsala"):
        assert secret not in f"{login!r} {known!r}"
    assert known.without_secrets("bad: open<sesame, simsala&bim") == "bad: ***, ***"


@pytest.mark.parametrize(
    "command",
    [
        "<check>…</check>",
        '<poll op="req"/>',
        "<transfer op='query'>…</transfer>",
        " <!-- not <delete/> --><info>…</info>",
        "<check>…</check><extension><fee xmlns='urn:fee'/></extension>",
    ],
)
def test_queries_are_harmless_with_and_without_an_extension(command: str) -> None:
    assert asked(command).harmless
    assert read_request(Hello().xml()).harmless


@pytest.mark.parametrize(
    "command",
    [
        "<create>…</create>",
        "<renew>…</renew>",
        '<poll op="ack" msgID="1"/>',
        '<transfer op="request">…</transfer>',
        "<transfer>…</transfer>",
        "<checkmate/>",
        "<!-- <check> --><delete/>",
        "<check>…</check><delete>…</delete>",
        "<check xmlns='urn:other'>…</check>",
        "<login/>",
        "<logout/>",
    ],
)
def test_whatever_is_not_plainly_a_query_is_taken_for_a_change(command: str) -> None:
    assert not asked(command).harmless


def test_a_protocol_extension_is_taken_for_a_change_and_has_its_clTRID_somewhere() -> None:  # noqa: N802
    document = (
        b'<epp xmlns="urn:ietf:params:xml:ns:epp-1.0"><extension><f:extcommand xmlns:f="urn:f">'
        b"<f:check/><f:clTRID>ours</f:clTRID></f:extcommand></extension></epp>"
    )
    known = read_request(document)
    assert (known.kind, known.transaction, known.harmless) == ("extension", "ours", False)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<epp/>",
        b"<a/>",
        b"<epp xmlns='urn:ietf:params:xml:ns:epp-1.0'/>",
        b"<epp xmlns='urn:ietf:params:xml:ns:epp-1.0'><command/></epp>",
        b"<epp xmlns='urn:ietf:params:xml:ns:epp-1.0'><hello/><hello/></epp>",
        b"<epp xmlns='urn:ietf:params:xml:ns:epp-1.0'><greeting/></epp>",
    ],
)
def test_what_is_no_request_is_refused(document: bytes) -> None:
    with pytest.raises(DocumentError):
        read_request(document)


@pytest.mark.parametrize("request_", [Logout(), PollRequest(), Command("<info/>"), Hello()])
def test_a_request_without_a_clTRID_is_one_too(request_: Any) -> None:  # noqa: N802
    assert read_request(request_.xml()).transaction is None


@pytest.mark.parametrize("code", [1500, 2500, 2501, 2502])
def test_these_codes_close(code: int) -> None:
    assert response(code).closing


@pytest.mark.parametrize("code", [1000, 1300, 2001, 2002, 2303, 2400])
def test_these_codes_do_not(code: int) -> None:
    assert not response(code).closing
    assert not response(code).logged_out


@pytest.mark.parametrize(
    "words", ["Registrar is not logged in", "Login required", "not authenticated", "log in first"]
)
def test_a_use_error_may_say_that_nobody_is_logged_in(words: str) -> None:
    assert response(2002, words).logged_out
    assert not response(2303, words).logged_out


@pytest.mark.parametrize("words", ["object is already pending", "blogging is not allowed"])
def test_a_use_error_about_something_else_does_not(words: str) -> None:
    assert not response(2002, words).logged_out


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE epp [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<epp xmlns="urn:ietf:params:xml:ns:epp-1.0"><response><result code="1000"><msg>&b;</msg>'
    b"</result></response></epp>"
)


@pytest.mark.parametrize("message", [BOMB, BOMB.decode().encode("utf-16")])
@pytest.mark.parametrize("read", [read_reply, read_request])
def test_a_document_type_is_refused_before_it_defines_anything(message: bytes, read: Any) -> None:
    with pytest.raises(DocumentError, match="document type"):
        read(message.replace(b"aaaaaaaaaa", b"%undefined;"))


@given(st.binary())
@pytest.mark.parametrize("read", [read_reply, read_request])
def test_no_octets_at_all_end_in_anything_but_a_document_or_an_error(
    read: Any, noise: bytes
) -> None:
    with contextlib.suppress(DocumentError):
        read(noise)


def test_an_error_about_a_document_does_not_quote_it() -> None:
    login = Login("registrar", "open-sesame", []).xml()
    for spoiled in (login[:-9], login.replace(b"UTF-8", b"sesame"), login + b"<pw>sesame"):
        with pytest.raises(DocumentError) as caught:
            read_request(spoiled)
        assert "sesame" not in str(caught.value)


def test_a_greeting_and_a_response_are_not_taken_for_each_other() -> None:
    greeting = registry.greeting("2030-01-01T00:00:00Z")
    assert Greeting.parse(greeting).sv_date == "2030-01-01T00:00:00Z"
    with pytest.raises(DocumentError):
        Response.parse(greeting)
    with pytest.raises(DocumentError):
        Greeting.parse(registry.reply(registry.Request("", None), 1000, server_transaction="1"))


def test_errors_survive_pickling_and_a_refused_login_is_a_pool_error() -> None:
    refused = pickle.loads(pickle.dumps(LoginError(2200, "Authentication error")))
    assert isinstance(refused, PoolConnectError)
    assert str(refused) == "the registry answered 2200: Authentication error"
    broken = pickle.loads(pickle.dumps(TransportError("cut", maybe_executed=True)))
    assert broken.maybe_executed


def test_an_info_command_names_its_domain() -> None:
    assert registry.read(info_domain("a.test").xml(tr_id="t")).names == ("a.test",)
