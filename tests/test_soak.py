"""`make soak` ends clean with the pool as it is, and each of its watches can fail."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import gevent
import gevent.socket
import pytest
from pools import Pool, hold

from soak import stage, watches
from soak.book import Book, Watched
from soak.echo import EchoClient, EchoServer
from soak.noise import heard
from soak.readings import Reading, read
from soak.run import POOLS, Options, run
from soak.tally import Tally

ROOT = Path(__file__).parent.parent


def test_it_ends_clean_and_says_so(tmp_path):
    report = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--minutes", "0.03", "--report", report],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert '"broken": []' in report.read_text()
    assert "right replies" in done.stdout


class BrokenClient(EchoClient):
    """Now and then takes the reply to the last request for the one to this."""

    last, asked = "", 0

    def ask(self, text):
        self.asked += 1
        reply = super().ask(text)
        answer, self.last = (self.last if self.asked % 4 == 0 else reply), reply
        return answer


class BrokenPool(stage.WatchedEchoPool):
    """Leaves a socket and a greenlet behind at each close; fails now and then for no reason."""

    left: ClassVar[list[Any]] = []
    lent = 0

    def _new_connection(self) -> Any:
        client = super()._new_connection()
        client.__class__ = BrokenClient
        return client

    def _keepalive(self, c: Any) -> None:
        EchoClient.ask(c, "probe")

    def _close_connection(self, c):
        self.left.append((c, gevent.spawn(gevent.sleep, 60)))

    def get(self, *args, **options):
        self.lent += 1
        if self.lent % 20 == 0:
            raise LookupError("for no reason")
        return super().get(*args, **options)


def test_a_broken_pool_is_noticed():
    def make(server: EchoServer) -> stage.WatchedEchoPool:
        pool = stage.echo_pool(server)
        pool.__class__ = BrokenPool
        return pool

    options = Options(minutes=0.02, callers=12, patience=1.0)
    record = run(options, lambda _: None, {**POOLS, "echo": make})
    for client, greenlet in BrokenPool.left:
        client.close()
        greenlet.kill()
    BrokenPool.left.clear()
    found = "\n".join(record.broken)
    for what in ("a WRONG reply", "no caller should see: ", "descriptors more", "greenlets more"):
        assert what in found
    assert "its peer" in found


# -- each watch, by figures


class WatchedPool(Watched, Pool):
    """A watched pool without a peer."""


@pytest.fixture
def pool(virtual_clock):
    with WatchedPool(2, timeout=5) as pool:
        pool.wait_until_ready()
        hold(pool, 0)
        yield pool


def test_figures_that_do_not_add_up_are_noticed(pool):
    stats = pool.stats()
    assert watches.account(stats, pool.book) == watches.at_rest(stats, pool.book) == []
    for name in ("opened", "idle", "requests", "requests_timed_out", "requests_refused"):
        wrong = replace(stats, **{name: getattr(stats, name) + 1})
        assert watches.account(wrong, pool.book), name
    for name in ("in_use", "opening", "closing", "waiting"):
        assert watches.at_rest(replace(stats, **{name: 1}), pool.book), name
    assert watches.at_rest(replace(stats, open=1), pool.book)
    assert watches.gone(stats)
    assert not watches.gone(replace(stats, open=0))
    assert not watches.under_load(stats, 2)
    assert watches.under_load(replace(stats, opening=1), 2)
    assert not watches.ledger(pool._core.ledger)
    pool._core.ledger.closing += 1
    assert watches.ledger(pool._core.ledger)
    pool._core.ledger.closing -= 1


def test_a_lease_that_does_not_end_is_noticed(pool):
    lease = pool.get()
    connection = lease.__enter__()
    assert "1 connections are lent, and nobody is there" in watches.at_rest(pool.stats(), pool.book)
    pool.book.serve(pool.book.arrive(1), connection)
    assert "two callers at once" in watches.account(pool.stats(), pool.book)[-1]
    lease.__exit__(None, None, None)


def test_a_caller_who_is_overtaken_again_and_again_is_noticed(pool):
    book = pool.book
    book.arrive(None)
    for number in range(4):
        assert not watches.fairness(book)
        book.serve(book.arrive(None), number)
    assert not watches.fairness(book)  # two rounds of two
    book.serve(book.arrive(None), 4)
    assert watches.fairness(book)


def test_a_caller_who_is_served_in_turn_counts_for_nothing(pool):
    gevent.joinall([gevent.spawn(hold, pool, 0.1) for _ in range(20)], raise_error=True)
    assert pool.book.rounds == 0
    assert pool.book.outcomes == {"served": 21}


def test_a_caller_who_waits_beyond_the_timeout_is_noticed(pool):
    call = pool.book.arrive(1.0)
    assert not watches.overdue(pool.book)
    call.began = monotonic() - 1.0 - watches.SLACK - 0.1
    assert watches.overdue(pool.book)
    assert not watches.overdue(pool.book, lag=1.0)


def test_what_a_process_holds_too_much_of_is_noticed():
    base = Reading(descriptors=10, memory=30, greenlets=4, timers=0, watchers=2, objects=9)
    rest = replace(base, descriptors=15, timers=2, watchers=7)
    assert not watches.left_over(rest, base, connections=5, pools=2)
    for name in ("descriptors", "greenlets", "timers", "watchers"):
        more = replace(rest, **{name: getattr(rest, name) + 1})
        assert name in watches.left_over(more, base, connections=5, pools=2)[0]
    assert watches.left_over(rest, base, connections=6, pools=2)
    assert not watches.too_much(rest, base, connections=5, callers=10)
    for name in ("descriptors", "greenlets", "timers"):
        assert watches.too_much(replace(base, **{name: 200}), base, connections=5, callers=10)


def test_a_reading_sees_one_more_of_each():
    before = read()
    ours, theirs = gevent.socket.socketpair()
    sleeper, reader = gevent.spawn(gevent.sleep, 60), gevent.spawn(ours.recv, 1)
    gevent.sleep(0)
    more = read().less(before)
    gevent.killall([sleeper, reader])
    with ours, theirs:
        assert (more.descriptors, more.greenlets, more.timers, more.watchers) == (2, 2, 1, 1)
        assert more.objects > 0


def test_memory_that_grows_is_noticed_and_a_warm_up_is_not():
    def rests(memory, objects):
        base = Reading(10, 30.0, 4, 0, 2, 20_000)
        return [
            (at / 2, replace(base, memory=memory(at / 2), objects=round(objects(at / 2))))
            for at in range(18)
        ]

    def flat(_):
        return 30_000

    assert not watches.growth(rests(lambda at: 40 - 9 * 0.1**at, flat))
    assert "MiB a minute" in watches.growth(rests(lambda at: 40 + at, flat))[0]
    assert "objects a minute" in watches.growth(rests(flat, lambda at: 20_000 + 1000 * at))[0]
    assert not watches.growth(rests(lambda at: 40 + at, flat)[:6])  # too few to tell


def test_a_session_that_only_one_side_knows_is_noticed():
    assert not watches.peers({"epp": 3}, {"epp": 3})
    assert watches.peers({"epp": 3}, {"epp": 4})


@pytest.mark.parametrize(
    ("fate", "times"), [("done", 0), ("done", 2), ("not done", 1), ("in doubt", 2), ("begun", 2)]
)
def test_a_change_that_was_not_executed_as_it_was_told_is_noticed(fate, times):
    told = {"a": "done", "b": "not done", "c": "in doubt", "d": "in doubt", "e": "begun"}
    assert not watches.changes(told, {"a": 1, "c": 1, "e": 1})
    assert watches.changes({"a": fate}, {"a": times})


def test_errors_that_reach_nobody_are_noticed():
    class Unclosed:
        def __del__(self):
            raise ValueError("in the end")

    def fail():
        raise ValueError("at work")

    with heard(tally := Tally()):
        logging.getLogger("geventconnpool_gov").error("it does not end")
        gevent.spawn(fail).join()
        Unclosed()
        gc.collect()
    assert [each.split(":")[0] for each in tally.unheard] == [
        "in the log",
        "in a greenlet or a callback",
        "in a finalizer",
    ]


def test_the_book_tells_callers_apart_by_what_they_were_told(virtual_clock):
    book = Book(pool := Pool(1))
    pool.close()
    call = book.arrive(None)
    book.refuse(call, gevent.GreenletExit())
    assert (book.outcomes, book.waiting) == ({"cancelled": 1}, {})
