"""The same promises with the real epplib: its commands, its responses, its client, its errors.

Left out where epplib is not installed: `make test-epp` installs it and runs these.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from importlib.util import find_spec
from typing import Any

import gevent
import pytest

from geventconnpool_gov.epp import (
    EppPool,
    EppTransport,
    LoginError,
    SessionLimitError,
    TransportError,
)
from geventconnpool_gov.errors import PoolTimeout
from geventconnpool_gov.testing.epp_protocol import OBJECTS, roid_of
from geventconnpool_gov.testing.epp_registry import EppRegistry

if find_spec("epplib") is None:
    pytest.skip(
        "epplib is not installed: its tests are LEFT OUT; make test-epp runs them",
        allow_module_level=True,
    )
else:
    from epplib import commands, responses
    from epplib.client import Client
    from epplib.commands.extensions import CreditInfoRequest
    from epplib.exceptions import EpplibException, ParsingError
    from epplib.exceptions import TransportError as EpplibTransportError
    from epplib.transport import Transport
    from lxml import etree

pytestmark = pytest.mark.epplib
BREAKING = ["truncate", "garbage", "oversize", "empty", "foreign_cltrid"]


def login(registry: EppRegistry, password: str | None = None) -> Any:
    name, right = registry.credentials
    return commands.Login(name, password or right, list(OBJECTS))


@pytest.fixture
def pool(registry: EppRegistry, make_pool: Any) -> EppPool:
    """A pool of two sessions, opened by epplib's own Login."""
    pool: EppPool = make_pool(2, login=login(registry))
    pool.wait_until_ready(5)
    return pool


def closed(pool: EppPool) -> dict[str, int]:
    return {reason: number for reason, number in pool.stats().closed.items() if number}


CHANGES = {
    "create": lambda: commands.CreateDomain("a.test", "owner", auth_info="secret"),
    "renew": lambda: commands.RenewDomain("a.test", datetime.date(2030, 1, 1)),
    "transfer": lambda: commands.TransferDomain("a.test", "secret"),
    "update": lambda: commands.UpdateDomain("a.test"),
    "delete": lambda: commands.DeleteDomain("a.test"),
}


# -- EppTransport under epplib's own client


def test_the_transport_serves_epplibs_own_client(registry: EppRegistry) -> None:
    transport = EppTransport(
        registry.host, registry.port, ssl_context=registry.client_context(), read_timeout=5
    )
    assert isinstance(transport, Transport)
    with Client(transport) as client:
        assert client.greeting.sv_id == "Loopback registry"
        assert client.send(login(registry)).code == 1000
        assert client.send(commands.InfoDomain("a.test")).res_data[0].roid == roid_of("a.test")
    assert transport.socket is None


@pytest.mark.parametrize("fault", ["truncate", "oversize", "empty", "silence"])
def test_a_broken_message_is_epplibs_transport_error_too(registry: EppRegistry, fault: str) -> None:
    context = registry.client_context()
    transport = EppTransport(registry.host, registry.port, ssl_context=context, read_timeout=0.2)
    with Client(transport) as client:
        client.send(login(registry))
        registry.fault(fault)
        with pytest.raises(EpplibTransportError) as caught:
            client.send(commands.CheckDomain(["a.test"]))
        assert caught.value.maybe_executed
        assert isinstance(caught.value, EpplibException)


# -- EppPool with epplib's commands


def test_every_reply_is_of_epplibs_class(pool: EppPool) -> None:
    check = pool.send(commands.CheckDomain(["free.test", "taken.test"]))
    assert isinstance(check, responses.CheckDomainResult)
    assert [(found.name, found.avail) for found in check.res_data] == [
        ("free.test", True),
        ("taken.test", False),
    ]
    assert pool.send(commands.InfoContact("mine")).res_data[0].roid == roid_of("mine")
    assert pool.send(commands.InfoHost("ns.test")).res_data[0].name == "ns.test"
    assert pool.send(CHANGES["create"]()).res_data[0].name == "a.test"
    assert pool.send(CHANGES["renew"]()).res_data[0].ex_date.year == 2035
    assert pool.send(commands.Hello()).sv_id == "Loopback registry"


def test_a_lent_client_behaves_as_epplibs(pool: EppPool) -> None:
    with pool.get() as client:
        assert isinstance(client.greeting, responses.Greeting)
        assert client.schema is None
        assert client.send(commands.CheckHost(["ns.test"]), tr_id="mine-1").cl_tr_id == "mine-1"
        assert client.send(commands.Hello()) is client.greeting


def test_many_callers_each_get_their_own_reply(pool: EppPool) -> None:
    def ask(name: str) -> str:
        return str(pool.send(commands.InfoDomain(name)).res_data[0].roid)

    names = [f"name-{number}.test" for number in range(60)]
    callers = [gevent.spawn(ask, name) for name in names]
    assert [caller.get() for caller in callers] == [roid_of(name) for name in names]


@pytest.mark.parametrize("fault", BREAKING)
def test_a_query_is_sent_again_with_an_extension_and_without(
    registry: EppRegistry, pool: EppPool, fault: str
) -> None:
    command = commands.CheckDomain(["a.test"])
    command.add_extension(commands.CreateDomainDNSSECExtension(maxSigLife=7))
    for query in (commands.InfoDomain("a.test"), command):
        registry.fault(fault)
        assert pool.send(query).code == 1000
    assert closed(pool) == {"broken": 2}


@pytest.mark.parametrize("fault", [*BREAKING, "silence"])
@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_is_sent_once_and_its_error_says_that_it_may_have_been_executed(
    registry: EppRegistry, pool: EppPool, fault: str, verb: str
) -> None:
    command = CHANGES[verb]()
    command.add_extension(commands.CreateDomainDNSSECExtension(maxSigLife=7))
    registry.fault(fault)
    with pytest.raises(EpplibTransportError) as caught:
        pool.send(command, timeout=0.1)
    assert caught.value.maybe_executed
    assert registry.commands[verb] == 1


def test_a_subclass_of_a_query_that_sends_a_change_is_a_change(
    registry: EppRegistry, pool: EppPool
) -> None:
    class CheckAndTake(commands.CheckDomain):
        def _get_command_payload(self) -> Any:
            return commands.DeleteDomain(self.names[0])._get_command_payload()

    registry.fault("truncate")
    with pytest.raises(TransportError):
        pool.send(CheckAndTake(["a.test"]))
    assert registry.commands["delete"] == 1


def test_a_protocol_extension_is_answered_and_never_sent_again(
    registry: EppRegistry, pool: EppPool
) -> None:
    assert pool.send(CreditInfoRequest()).code == 2101
    registry.fault("truncate")
    with pytest.raises(TransportError):
        pool.send(CreditInfoRequest())
    assert registry.commands["extension"] == 2


@pytest.mark.parametrize("reason", ["Registrar is not logged in", ""])
def test_a_logged_out_session_is_replaced_and_the_command_answered(
    registry: EppRegistry, pool: EppPool, reason: str
) -> None:
    registry.fault("log_out", reason=reason)
    assert pool.send(CHANGES["create"](), attempts=1).code == 1000
    assert closed(pool) == {"discarded": 2}


@pytest.mark.parametrize("code", [2500, 2501, 2502])
def test_a_session_that_a_reply_ended_is_not_lent_again(
    registry: EppRegistry, pool: EppPool, code: int
) -> None:
    registry.fault("result", code=code)
    with pool.get() as client:
        assert client.send(commands.InfoDomain("a.test")).code == code
    assert pool.send(CHANGES["create"](), attempts=1).code == 1000
    assert closed(pool) == {"discarded": 1}


def test_epplibs_own_logout_costs_that_session_alone(pool: EppPool) -> None:
    with pool.get() as client:
        assert client.send(commands.Logout()).code == 1500
    assert pool.send(CHANGES["create"](), attempts=1).code == 1000


def test_a_refused_login_is_told_and_its_password_is_not(
    registry: EppRegistry, make_pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # epplib's own client logs every document; ours never does.
    caplog.set_level(logging.DEBUG)
    pool = make_pool(2, login=login(registry, "open-sesame"), timeout=None)
    with pytest.raises(LoginError, match="2200") as caught:
        pool.send(commands.CheckDomain(["a.test"]))
    assert "sesame" not in f"{caught.value!r} {caplog.text}"


def test_a_session_limit_is_lived_with(registry: EppRegistry, make_pool: Any) -> None:
    registry.fault("session_limit", limit=1)
    pool = make_pool(3, login=login(registry))
    with pytest.raises(PoolTimeout) as caught:
        pool.wait_until_ready(0.5)
    assert isinstance(caught.value.__cause__, SessionLimitError)
    callers = [gevent.spawn(pool.send, commands.CheckDomain(["a.test"])) for _ in range(10)]
    assert {caller.get().code for caller in callers} == {1000}


def test_a_reply_that_epplib_cannot_parse_is_its_error_and_costs_no_session(
    registry: EppRegistry, pool: EppPool
) -> None:
    registry.fault("unreadable", count=2)
    with pytest.raises(ParsingError):
        pool.send(CHANGES["create"]())
    with pool.get() as client, contextlib.suppress(ParsingError):
        client.send(commands.InfoDomain("a.test"))
    assert registry.commands["create"] == 1
    assert pool.send(commands.InfoDomain("a.test"), attempts=1).code == 1000
    assert closed(pool) == {}


def schema(*payloads: str) -> Any:
    """A schema that allows these elements alone inside `<epp>`, whatever they hold."""
    choice = "".join(f'<element name="{name}" type="anyType"/>' for name in payloads)
    return etree.XMLSchema(
        etree.fromstring(
            '<schema xmlns="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified" '
            'targetNamespace="urn:ietf:params:xml:ns:epp-1.0"><element name="epp"><complexType>'
            f"<choice>{choice}</choice></complexType></element></schema>"
        )
    )


@pytest.mark.parametrize(("allowed", "sent"), [("command", 1), ("response", 0)])
def test_requests_and_replies_are_validated_by_a_schema_and_cost_no_session(
    registry: EppRegistry, make_pool: Any, allowed: str, sent: int
) -> None:
    pool = make_pool(1, login=login(registry), schema=schema("command", "response", "greeting"))
    with pool.get() as client:
        client.schema = schema(allowed)
        with pytest.raises(etree.DocumentInvalid):
            client.send(commands.InfoDomain("a.test"))
    assert registry.commands.get("info", 0) == sent
    assert pool.send(commands.InfoDomain("a.test"), attempts=1).code == 1000
    assert closed(pool) == {}


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_after_an_interrupted_command_the_next_caller_gets_its_own_reply(
    registry: EppRegistry, make_pool: Any, how: str
) -> None:
    pool = make_pool(1, login=login(registry))
    pool.wait_until_ready(5)
    registry.fault("delay", seconds=0.25)
    if how == "kill":
        caller = gevent.spawn(pool.send, commands.InfoDomain("stranger.test"))
        gevent.sleep(0.05)
        caller.kill()
    else:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            pool.send(commands.InfoDomain("stranger.test"))
    reply = pool.send(commands.InfoDomain("mine.test"))
    assert reply.res_data[0].roid == roid_of("mine.test")
