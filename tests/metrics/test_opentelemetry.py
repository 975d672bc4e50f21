"""What OpenTelemetry's SDK reads of a pool follows its conventions, and costs the pool nothing."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import gevent
import pytest
from opentelemetry.metrics import NoOpHistogram, NoOpMeter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import db_metrics
from pools import Pool, assert_whole, hold

from geventconnpool_gov import PoolTimeout
from geventconnpool_gov.metrics.opentelemetry import instrument

PREFIX = "db.client.connection"


class Telemetry:
    """The SDK, with a reader that keeps what it collects."""

    def __init__(self, **options) -> None:
        self.reader = InMemoryMetricReader(**options)
        self.provider = MeterProvider([self.reader])

    def metrics(self):
        collected = self.reader.get_metrics_data()
        if collected is None:
            return {}
        scopes = [scope for each in collected.resource_metrics for scope in each.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, suffix, prefix=PREFIX):
        """Each series' attributes, but for the name of the key's first part, and its point."""
        metric = self.metrics().get(f"{prefix}.{suffix}")
        found = metric.data.data_points if metric else []
        return {tuple(sorted(point.attributes.items())): point for point in found}

    def value(self, suffix, name="p", **state):
        more = {f"{PREFIX}.state": each for each in state.values()}
        attributes = {f"{PREFIX}.pool.name": name, **more}
        return self.points(suffix)[tuple(sorted(attributes.items()))].value


@pytest.fixture
def telemetry():
    return Telemetry()


def form(metric):
    return metric.unit, type(metric.data), getattr(metric.data, "is_monotonic", None)


def test_the_instruments_are_those_of_the_conventions(virtual_clock, telemetry):
    reference = Telemetry()
    meter = reference.provider.get_meter("reference")
    for name in dir(db_metrics):
        if name.startswith("create_db_client_connection_"):
            made = getattr(db_metrics, name)(meter)
            (made.record if hasattr(made, "record") else made.add)(1)
    with Pool(1, name="p") as pool:
        instrument(pool, telemetry.provider)
        hold(pool, 1)
        expected = {name: form(metric) for name, metric in reference.metrics().items()}
        assert {name: form(each) for name, each in telemetry.metrics().items()} == expected


def test_states_and_limits_are_told(virtual_clock, telemetry):
    with Pool(3, min_size=2, burst_limit=5, name="p", timeout=2) as pool:
        instrument(pool, telemetry.provider)
        pool.wait_until_ready()
        gevent.spawn(hold, pool, 5)
        gevent.sleep(1)
        assert telemetry.value("count", state="idle") == 1
        assert telemetry.value("count", state="used") == 1
        limits = [telemetry.value(suffix) for suffix in ("max", "idle.max", "idle.min")]
        assert limits == [5, 3, 2]
        pool.resize(4, min_size=1)
        assert telemetry.value("idle.max") == 4
        gevent.sleep(10)


def test_those_who_wait_and_those_who_gave_up_are_told(virtual_clock, telemetry):
    with Pool(1, name="p") as pool:
        instrument(pool, telemetry.provider)
        pool.wait_until_ready()
        with pool.get():
            client = gevent.spawn(hold, pool, 0, timeout=2)
            gevent.sleep(1)
            assert (telemetry.value("pending_requests"), telemetry.value("timeouts")) == (1, 0)
            with pytest.raises(PoolTimeout):
                client.get()
        assert (telemetry.value("pending_requests"), telemetry.value("timeouts")) == (0, 1)


def test_times_are_told_in_seconds_and_in_limits_that_suit_them(virtual_clock, telemetry):
    with Pool(1, connects=[2.0], name="p") as pool:
        instrument(pool, telemetry.provider)
        clients = [gevent.spawn(hold, pool, seconds) for seconds in (0.02, 3, 0)]
        gevent.joinall(clients, raise_error=True)
        for suffix, count, total in (
            *(("create_time", 1, 2), ("use_time", 3, 3.02)),
            ("wait_time", 3, 2 + 2.02 + 5.02),
        ):
            (point,) = telemetry.points(suffix).values()
            assert (point.count, point.sum) == (count, pytest.approx(total)), suffix
        assert point.explicit_bounds[:4] == (0.0001, 0.00025, 0.0005, 0.001)


def test_the_prefix_names_instruments_and_attributes(virtual_clock, telemetry):
    with Pool(1, name="p") as pool:
        instrument(pool, telemetry.provider, prefix="epp.client.session")
        hold(pool, 1)
        assert {name.rpartition("session.")[0] for name in telemetry.metrics()} == {"epp.client."}
        keys = {key for key, _ in next(iter(telemetry.points("count", "epp.client.session")))}
        assert keys == {"epp.client.session.pool.name", "epp.client.session.state"}


def test_all_pools_of_a_provider_are_told(virtual_clock, telemetry):
    with Pool(1, name="a") as a, Pool(2, name="b") as b, Pool(3) as nameless:
        for pool in (a, b, nameless):
            instrument(pool, telemetry.provider)
        assert [telemetry.value("max", name) for name in ("a", "b", "Pool")] == [1, 2, 3]


def test_a_pool_is_instrumented_once_and_no_two_by_one_name(virtual_clock, telemetry):
    with Pool(1, name="p") as pool, Pool(1, name="p") as same:
        instrument(pool, telemetry.provider)
        for again in (pool, same):
            with pytest.raises(ValueError, match="'p'"):
                instrument(again, telemetry.provider)
        hold(same, 0)
        assert not telemetry.points("wait_time")


def test_a_provider_that_is_set_later_is_told_of_pools_from_before_and_after():
    script = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from geventconnpool_gov.metrics.opentelemetry import instrument
from pools import Pool, hold

pools = [Pool(size, name=str(size)) for size in (1, 2, 3)]
instrument(pools[0])
reader = InMemoryMetricReader()
provider = MeterProvider([reader])
metrics.set_meter_provider(provider)
instrument(pools[1])
instrument(pools[2], provider)
for pool in pools:
    hold(pool, 0)
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
told = {metric.name.rpartition(".")[2]: metric.data.data_points for metric in scope.metrics}
assert [len(told[name]) for name in ("pending_requests", "wait_time")] == [3, 3], told
"""
    command = [sys.executable, "-W", "error", "-c", script]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parent.parent)


class Odd(NoOpMeterProvider):
    """A provider whose histograms do something when they are told."""

    def __init__(self, does) -> None:
        self.does = does

    def get_meter(self, name, *_, **__):
        does = self.does

        class Histogram(NoOpHistogram):
            def record(self, *_, **__) -> None:
                does()

        class Meter(NoOpMeter):
            def create_histogram(self, name, *_, **__):
                return Histogram(name)

        return Meter(name)


@pytest.mark.parametrize("interrupt", ["kill", "timeout"])
@pytest.mark.parametrize("at", [0.5, 1.5, 2.5])  # while it waits, connects, uses
def test_an_interrupt_in_the_sdk_costs_nothing(virtual_clock, interrupt, at):
    def client():
        with gevent.Timeout(at if interrupt == "timeout" else None, False), pool.get():
            pass

    with Pool(1) as pool:
        instrument(pool, Odd(lambda: gevent.sleep(1)))
        for _ in range(5):
            greenlet = gevent.spawn(client)
            gevent.sleep(at)
            greenlet.kill()
            gevent.sleep(3)
        assert_whole(pool)


def test_an_interrupt_that_the_sdk_raises_itself_costs_no_connection(virtual_clock):
    def struck() -> None:
        raise gevent.Timeout(1)

    with Pool(2) as pool:
        instrument(pool, Odd(struck))
        for _ in range(5):
            with pytest.raises(gevent.Timeout):
                hold(pool, 0, timeout=50)
        assert_whole(pool)


def test_what_the_sdk_raises_reaches_no_caller_and_is_logged_once(virtual_clock, caplog):
    def fails() -> None:
        raise RuntimeError("full")

    with Pool(1, name="p") as pool:
        instrument(pool, Odd(fails))
        for _ in range(5):
            hold(pool, 1)
        assert_whole(pool)
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "'p'" in warning
    assert "RuntimeError: full" in warning


def test_a_collected_pool_tells_no_states(virtual_clock, telemetry):
    pool = Pool(2, name="p")
    instrument(pool, telemetry.provider)
    hold(pool, 0)
    assert telemetry.points("count")
    made = pool.made
    del pool
    gc.collect()
    gevent.sleep(1)
    assert {connection.closed for connection in made} == {1}
    for suffix in ("count", "max", "timeouts"):
        assert not telemetry.points(suffix)


@pytest.mark.parametrize(
    ("temporality", "expected"),
    [(AggregationTemporality.CUMULATIVE, [3, 4]), (AggregationTemporality.DELTA, [3, 1])],
)
def test_timeouts_never_go_down_where_a_pool_takes_anothers_place(
    virtual_clock, temporality, expected
):
    telemetry = Telemetry(preferred_temporality={ObservableCounter: temporality})
    told = []
    for timeouts in (3, 1):
        with Pool(1, name="p") as pool:
            instrument(pool, telemetry.provider)
            with pool.get():
                for _ in range(timeouts):
                    with pytest.raises(PoolTimeout):
                        hold(pool, 0, timeout=1)
            told.append(telemetry.value("timeouts"))
    assert told == expected
