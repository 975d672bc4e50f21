"""What arrives at a statsd server or at Datadog's agent, by way of the real clients."""

from __future__ import annotations

import contextlib
import gc
import re
import socket
import subprocess
import sys
from pathlib import Path

import gevent
import pytest
from datadog.dogstatsd import DogStatsd
from pools import Pool, hold
from statsd import StatsClient

from geventconnpool_gov import PoolTimeout
from geventconnpool_gov.metrics.statsd import report

LINE = re.compile(r"([\w.]+):([-\d.]+)\|([gc])(?:\|#(.*))?$", re.ASCII)


class Server:
    """A UDP socket on loopback, and what arrived there, told in one way for both protocols."""

    def __init__(self, kind) -> None:
        self.kind = kind
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        address = self.socket.getsockname()
        if kind == "statsd":
            self.client = StatsClient(*address)
        else:
            self.client = DogStatsd(*address, disable_telemetry=True)

    def datagrams(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self.socket.recv(65536).decode("ascii")

    def received(self):
        """Gauges and increments since the last call, by name; reasons behind a stroke."""
        gauges, counts = {}, {}
        for datagram in self.datagrams():
            for line in datagram.splitlines():
                name, value, kind, tags = LINE.match(line).groups()
                name = name.removeprefix("geventconnpool.")
                if self.kind == "statsd":
                    assert tags is None
                    name = name.removeprefix("p.").replace("closed.", "closed/")
                else:
                    pool, *reason = tags.split(",")
                    assert pool == "pool:p"
                    name = "/".join([name, *(each.removeprefix("reason:") for each in reason)])
                into = gauges if kind == "g" else counts
                into[name] = into.get(name, 0) * (kind == "c") + float(value)
        return gauges, counts

    def close(self) -> None:
        self.socket.close()
        if self.kind == "statsd":
            self.client.close()
        else:
            self.client.stop()


@pytest.fixture(params=["statsd", "datadog"])
def server(request):
    server = Server(request.param)
    yield server
    server.close()


def fall_silent(pool) -> None:
    """Close the pool and let its last report go out."""
    pool.close()
    gevent.sleep(10)


def test_states_are_gauges_at_once_and_at_each_interval(virtual_clock, server):
    with Pool(3, min_size=1, burst_limit=4, name="p") as pool:
        pool.wait_until_ready()
        gevent.spawn(hold, pool, 15)
        gevent.sleep(0)
        report(pool, server.client)
        gevent.sleep(1)
        gauges, _ = server.received()
        states = {"size": 3, "min_size": 1, "burst_limit": 4, "open": 1, "idle": 0}
        assert gauges.items() >= {**states, "in_use": 1, "opening": 0, "waiting": 0}.items()
        gevent.sleep(8)
        assert server.received() == ({}, {})
        pool.resize(6)
        gevent.sleep(12)
        gauges, _ = server.received()
        assert (gauges["size"], gauges["in_use"], gauges["idle"]) == (6, 0, 1)
        fall_silent(pool)


def test_counts_are_what_came_since_the_last_report(virtual_clock, server):
    with Pool(1, name="p", connects=[OSError("down")], exc_classes=(OSError,)) as pool:
        pool.wait_until_ready()
        report(pool, server.client)
        told = {}
        for n in range(5):
            with contextlib.suppress(OSError), pool.get():
                gevent.sleep(2)
                raise OSError("broken")
            with pool.get(), pytest.raises(PoolTimeout):
                hold(pool, 0, timeout=n)
            gevent.sleep(10)
            for name, count in server.received()[1].items():
                assert count > 0
                told[name] = told.get(name, 0) + count
        stats = pool.stats()
        assert told["requests"] == stats.requests == 15
        assert told["requests_timed_out"] == 5
        assert told["closed/broken"] == 5
        assert (told["opened"], told["connect_errors"]) == (6, 1)
        fall_silent(pool)


def test_times_are_percentiles_of_the_interval_in_milliseconds(virtual_clock, server):
    with Pool(1, connects=[1], name="p") as pool:
        report(pool, server.client, interval=100)
        gevent.spawn(hold, pool, 40)
        for _ in range(99):
            gevent.spawn_later(50, hold, pool, 0.001)
        gevent.sleep(101)
        gauges, _ = server.received()
        assert gauges["connect_ms.p99"] == pytest.approx(1000, rel=0.3)
        assert gauges["use_ms.p50"] == pytest.approx(1, rel=0.3)
        assert gauges["wait_ms.p95"] == pytest.approx(95, rel=0.3)
        gevent.sleep(100)
        gauges, _ = server.received()
        assert [gauges[f"{time}_ms.p99"] for time in ("wait", "use", "connect")] == [0, 0, 0]
        gevent.sleep(100)
        pool.close()
        gevent.sleep(100)


def test_the_percentiles_of_a_later_interval_know_nothing_of_an_earlier_one(virtual_clock, server):
    with Pool(1, name="p") as pool:
        report(pool, server.client)
        hold(pool, 5)
        gevent.sleep(5.5)
        assert server.received()[0]["use_ms.p99"] == pytest.approx(5000, rel=0.3)
        for _ in range(10):
            hold(pool, 0.02)
        gevent.sleep(10)
        assert server.received()[0]["use_ms.p99"] == pytest.approx(20, rel=0.3)
        fall_silent(pool)


def test_reports_end_with_the_last_lease_of_a_closed_pool(virtual_clock, server):
    pool = Pool(2, name="p")
    reporter = report(pool, server.client)
    gevent.spawn(hold, pool, 25)
    gevent.sleep(1)
    pool.close()
    gevent.sleep(10)
    assert not reporter.dead
    assert server.received()[0]["in_use"] == 1
    gevent.sleep(20)
    assert reporter.dead
    gauges, counts = server.received()
    assert set(gauges.values()) == {0}
    assert counts == {"closed/shutdown": 1}


def test_reports_keep_no_pool_alive_and_end_with_it(virtual_clock, server):
    pool = Pool(2, name="p")
    reporter = report(pool, server.client)
    hold(pool, 15)
    made = pool.made
    assert server.received()[0]["size"] == 2
    del pool
    gc.collect()
    gevent.sleep(1)
    assert [connection.closed for connection in made] == [1, 1]
    gevent.sleep(10)
    assert reporter.dead
    assert set(server.received()[0].values()) == {0}


class Faulty:
    """A client that fails for a while, after some calls."""

    def __init__(self, client) -> None:
        self.client, self.patience, self.error = client, 0, OSError("no route")

    def __getattr__(self, name):
        sends = getattr(self.client, name)

        def send(*args, **tags):
            self.patience -= 1
            if self.error and self.patience < 0:
                raise self.error
            sends(*args, **tags)

        return send


@pytest.mark.parametrize("error", [OSError("no route"), gevent.Timeout(5)])
def test_a_client_that_fails_is_logged_when_it_begins_and_costs_no_count(
    virtual_clock, server, caplog, error
):
    client = Faulty(server.client)
    client.error = error
    with Pool(1, name="p") as pool:
        report(pool, client)
        for patience in (0, 1, 2, 5):
            client.patience = patience
            hold(pool, 1)
            gevent.sleep(9)
        client.error = None
        hold(pool, 0)
        gevent.sleep(10)
        _, counts = server.received()
        assert (counts["requests"], counts["opened"]) == (5, 1)
        warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "pool 'p': statsd got no report" in warnings[0]
        fall_silent(pool)


@pytest.mark.parametrize("name", ["a.b:c|d@e#f,g h\ni", "größe", "p|g"])
def test_a_name_cannot_break_the_protocol(virtual_clock, server, name):
    with Pool(1, name=name) as pool:
        report(pool, server.client, prefix="some.prefix")
        hold(pool, 1)
        texts = list(server.datagrams())
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        if server.kind == "statsd":
            line = re.compile(rf"some\.prefix\.{safe}\.[\w.]+:[\d.]+\|[gc]", re.ASCII)
        else:
            line = re.compile(rf"some\.prefix\.[\w.]+:[\d.]+\|[gc]\|#pool:{safe}\n?", re.ASCII)
        assert texts
        assert all(line.fullmatch(text) for text in texts)
        fall_silent(pool)


def test_datadogs_client_gets_the_tags_and_statsds_refuses_them(virtual_clock, server):
    with Pool(1, name="p") as pool:
        if server.kind == "statsd":
            with pytest.raises(ValueError, match="tags are for Datadog"):
                report(pool, server.client, tags=["env:test"])
            return
        report(pool, server.client, tags=["env:test"])
        gevent.sleep(1)
        assert server.socket.recv(65536).decode().endswith("|#pool:p,env:test\n")
        fall_silent(pool)


@pytest.mark.parametrize(
    ("client", "interval", "error", "text"),
    [
        (object(), 10, TypeError, "client must have gauge"),
        (Faulty, 0, ValueError, "interval"),
        (Faulty, None, TypeError, "interval"),
    ],
)
def test_bad_arguments_are_refused(virtual_clock, client, interval, error, text):
    with Pool(1) as pool, pytest.raises(error, match=text):
        report(pool, client, interval)


def test_reports_do_not_keep_a_process_alive():
    script = """
import gevent
from pools import Pool
from statsd import StatsClient
from geventconnpool_gov.metrics.statsd import report
client = StatsClient("127.0.0.1", 9)
pool = Pool(1)
report(pool, client, interval=3600)
gevent.sleep(0.01)
assert gevent.get_hub().join(timeout=20), "the loop goes on"
client.close()
"""
    command = [sys.executable, "-W", "error", "-c", script]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parent.parent)
