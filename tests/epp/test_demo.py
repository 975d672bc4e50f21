"""The demo keeps the pool's promises, and says so when one is broken."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any, ClassVar

import gevent
import pytest

from geventconnpool_gov.demo import __main__ as command_line
from geventconnpool_gov.demo.checks import Check
from geventconnpool_gov.demo.clients import proves
from geventconnpool_gov.demo.lines import Lines
from geventconnpool_gov.demo.live import LiveView
from geventconnpool_gov.demo.show import Moment, Options, epp_pool, run
from geventconnpool_gov.epp import EppClient, EppPool, Response
from geventconnpool_gov.testing import epp_protocol as registry
from geventconnpool_gov.testing.epp_registry import EppRegistry

STRANGERS, CAPACITY, CALLS, CLOSED = range(4)
SMALL = Options(seconds=1.5, clients=12, size=3, seed=7, patience=1.0)


class Nothing:
    """A view that shows nothing."""

    every = 0.2

    def show(self, moment: Moment) -> None:
        pass

    def conclude(self, results: list[Check], moment: Moment) -> None:
        pass


def broken(make_pool: Any) -> list[int]:
    """Which promises the demo finds broken with such a pool."""
    results = run(SMALL, Nothing(), make_pool)
    return [number for number, result in enumerate(results) if not result.kept]


def pool_of(kind: type[EppPool]) -> Any:
    def make(registry: EppRegistry, options: Options) -> EppPool:
        pool = epp_pool(registry, options)
        pool.__class__ = kind
        return pool

    return make


def test_every_promise_is_kept() -> None:
    assert broken(epp_pool) == []


class Misled(EppClient):
    """Now and then returns the reply to an earlier command."""

    earlier: Response | None = None
    sent = 0

    def send(self, request: Any, **options: Any) -> Response:
        self.sent += 1
        reply: Response = super().send(request, **options)
        answer = self.earlier if self.earlier and self.sent % 10 == 0 else reply
        self.earlier = reply if reply.element.find("{*}resData") is not None else None
        return answer


class MisledPool(EppPool):
    def _new_connection(self) -> EppClient:
        client = super()._new_connection()
        client.__class__ = Misled
        return client


def test_a_reply_is_proven_by_its_name_and_by_what_only_that_name_has() -> None:
    def reply(command: str, *names: str) -> Response:
        request = registry.Request(command, "t", names)
        return Response.parse(registry.reply(request, server_transaction="s"))

    assert proves(reply("info", "mine.test"), "mine.test")
    assert proves(reply("check", "free-mine.test"), "free-mine.test")
    for stranger in (
        reply("info", "yours.test"),
        reply("info", "free-mine.test"),
        reply("check", "yours.test"),
        reply("check", "free-mine.test"),
        reply("poll"),
    ):
        assert not proves(stranger, "mine.test")


def test_a_strangers_reply_is_noticed() -> None:
    assert STRANGERS in broken(pool_of(MisledPool))


def test_a_session_that_does_not_come_back_is_noticed() -> None:
    def hoard(pool: EppPool) -> None:
        with pool.get():
            gevent.sleep(60)

    def make(registry: EppRegistry, options: Options) -> EppPool:
        pool = epp_pool(registry, options)
        gevent.spawn(hoard, pool)
        return pool

    assert broken(make) == [CAPACITY]


def test_a_pool_that_comes_back_smaller_is_noticed() -> None:
    def make(registry: EppRegistry, options: Options) -> EppPool:
        return epp_pool(registry, replace(options, size=options.size - 1))

    assert broken(make) == [CAPACITY]


class Lingering(EppPool):
    """Keeps two sessions open that are in nobody's account."""

    kept: ClassVar[list[EppClient]] = []

    def _close_connection(self, c: EppClient) -> None:
        self.kept.append(c)
        if len(self.kept) > 2:
            super()._close_connection(self.kept.pop(0))


def test_a_session_that_only_the_registry_counts_is_noticed() -> None:
    assert CLOSED in broken(pool_of(Lingering))
    while Lingering.kept:
        Lingering.kept.pop().close()


def test_a_call_without_an_answer_is_noticed() -> None:
    def make(registry: EppRegistry, options: Options) -> EppPool:
        return EppPool(
            options.size,
            **registry.pool_arguments(),
            max_waiting=0,
        )

    assert broken(make) == [CALLS]


def test_plain_lines_introduce_report_and_judge() -> None:
    lines: list[str] = []
    run(SMALL, Lines(SMALL, lines.append))
    assert lines[0].startswith("geventconnpool_gov: 12 clients, 3 EPP sessions")
    assert any(" answered  sessions: " in line for line in lines)
    assert any("REGISTRY RESTARTS" in line for line in lines)
    assert [line.split()[0] for line in lines[-4:]] == ["kept"] * 4


def test_the_live_view_draws_and_concludes() -> None:
    from rich.console import Console

    output = io.StringIO()
    with LiveView(SMALL, Console(file=output, width=100, force_terminal=True)) as view:
        run(SMALL, view)
    text = output.getvalue()
    for words in ("sessions", "commands/s", "what went wrong", "Nobody got another's reply"):
        assert words in text


@pytest.mark.parametrize(("terminal", "rich", "view"), [
    (True, True, LiveView),
    (True, False, Lines),  # the live view needs rich
    (False, True, Lines),
])  # fmt: skip
def test_the_live_view_is_for_a_terminal(
    terminal: bool,
    rich: bool,
    view: type,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    views: list[object] = []
    monkeypatch.setattr(command_line, "run", lambda _, view: views.append(view) or [])
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    if not rich:
        monkeypatch.setitem(sys.modules, "geventconnpool_gov.demo.live", None)
    assert command_line.main([]) == 0
    assert [type(each) for each in views] == [view]


@pytest.mark.parametrize(("kept", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_tells_whether_every_promise_was_kept(
    kept: bool, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [Check("one", True, ""), Check("two", kept, "")]
    monkeypatch.setattr(command_line, "run", lambda *_: verdicts)
    assert command_line.main(["--plain", "--seconds", "1"]) == status
    assert "geventconnpool_gov" in capsys.readouterr().out
