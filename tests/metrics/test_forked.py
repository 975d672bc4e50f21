"""A forked child tells of its own use of a pool, and no count goes down there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import traceback

import gevent
from datadog.dogstatsd import DogStatsd
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from prometheus_client import CollectorRegistry

from geventconnpool_gov import ConnectionPool, PoolTimeout
from geventconnpool_gov.metrics import opentelemetry, prometheus, statsd


class Plain(ConnectionPool):
    def _new_connection(self) -> object:
        return object()


def in_child(function):
    """What a function returns in a forked child."""
    reading, writing = os.pipe()
    pid = gevent.os.fork()
    if pid == 0:
        try:
            answer = {"result": function()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  a descriptor
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    assert "error" not in answer, answer["error"]
    return answer["result"]


def time_out(pool, times):
    with pool.get():
        for _ in range(times):
            with contextlib.suppress(PoolTimeout), pool.get(timeout=0):
                raise AssertionError("there was a second connection")


def test_prometheus_reads_the_childs_own_figures():
    registry = CollectorRegistry(auto_describe=True)

    def told():
        name = "geventconnpool_connection_timeout_total"
        return registry.get_sample_value(name, {"pool": "p"})

    def child():
        before = told()
        time_out(pool, 1)
        return [before, told()]

    with Plain(1, name="p") as pool:
        prometheus.export(pool, registry=registry)
        time_out(pool, 3)
        assert in_child(child) == [0, 1]
        assert told() == 3


def test_opentelemetry_goes_on_from_where_the_parent_was():
    reader = InMemoryMetricReader(
        preferred_temporality={ObservableCounter: AggregationTemporality.DELTA}
    )

    def told():
        (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
        points = {
            metric.name.rpartition(".")[2]: metric.data.data_points[0] for metric in scope.metrics
        }
        return [points["timeouts"].value, points["use_time"].count]

    def child():
        time_out(pool, 1)
        return told()

    with Plain(1, name="p") as pool:
        opentelemetry.instrument(pool, MeterProvider([reader]))
        time_out(pool, 3)
        assert told() == [3, 1]
        assert in_child(child) == [1, 2]
        assert told() == [0, 1]


def test_a_childs_copy_of_the_reports_tells_of_the_child_alone():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.setblocking(False)
    client = DogStatsd(*server.getsockname(), disable_telemetry=True)

    def told():
        found = 0
        while True:
            try:
                text = server.recv(65536).decode()
            except BlockingIOError:
                return found
            if text.startswith("geventconnpool.requests_timed_out:"):
                found += int(text.split(":")[1].split("|")[0])

    def child():
        time_out(pool, 2)
        with gevent.Timeout(20):
            while not (found := told()):
                gevent.sleep(0.01)
        return found

    with server, Plain(1, name="p") as pool:
        reporter = statsd.report(pool, client, interval=0.05)
        time_out(pool, 3)
        with gevent.Timeout(20):
            while not (found := told()):
                gevent.sleep(0.01)
        assert found == 3
        assert in_child(child) == 2
        reporter.kill()
    client.stop()
