"""What Prometheus reads of a pool is what the pool says, whatever becomes of the pool."""

from __future__ import annotations

import gc
import random
import threading

import gevent
import pytest
from pools import Pool, hold
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from geventconnpool_gov import ConnectionPool, PoolError
from geventconnpool_gov.metrics import COUNTERS
from geventconnpool_gov.metrics.prometheus import PoolCollector, export


@pytest.fixture
def registry():
    return CollectorRegistry(auto_describe=True)


def scrape(registry):
    """Each sample by its name, its pool and its other label, as the library's parser reads it."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples]
    told = {}
    for sample in samples:
        more = [value for label, value in sample.labels.items() if label != "pool"]
        told[(sample.name, sample.labels["pool"], *more)] = sample.value
    assert len(told) == len(samples)  # Prometheus refuses a series that is there twice
    return told


class Busy(Pool):
    """Some of its connections do not live long."""

    def _check(self, c) -> None:
        if c.number % 3 == 0:
            raise OSError("dead")

    def _keepalive(self, c) -> None:
        if c.number % 3 == 1:
            raise OSError("dead")


def client(pool, use, timeout, error):
    try:
        with pool.get(timeout=timeout):
            gevent.sleep(use)
            if error:
                raise error
    except (PoolError, OSError):
        pass


def work(pool, *, seed=1, clients=60):
    """All that can happen to callers, at random."""
    chance = random.Random(seed)
    for _ in range(clients):
        error = chance.choice([None, None, OSError("broken")])
        use, timeout = chance.choice([0, 1, 4, 4]), chance.choice([None, 1])
        greenlet = gevent.spawn(client, pool, use, timeout, error)
        if chance.random() < 0.3:
            gevent.spawn_later(0.3, greenlet.kill)
        yield gevent.sleep(chance.choice([0, 0, 0.5, 20]))
    yield gevent.sleep(60)


def busy_pool(name="busy"):
    return Busy(
        *(2, (OSError,), 15),
        connects=[0, OSError("down"), 1],
        max_waiting=3,
        check_after=10,
        leak_after=3,
        name=name,
    )


def test_each_figure_is_told_under_the_name_of_its_pool(virtual_clock, registry):
    with busy_pool() as pool:
        export(pool, registry=registry)
        for _ in work(pool):
            pass
        holders = [gevent.spawn(hold, pool, 5) for _ in range(3)]
        gevent.sleep(1)
        told, stats = scrape(registry), pool.stats()
        gevent.joinall(holders)

    levels = {
        "connections": stats.open,
        "active_connections": stats.in_use,
        "idle_connections": stats.idle,
        "opening_connections": stats.opening,
        "closing_connections": stats.closing,
        "pending_threads": stats.waiting,
        "max_connections": stats.burst_limit,
        "max_idle_connections": stats.size,
        "min_connections": stats.min_size,
    }
    for name, value in levels.items():
        assert told[f"geventconnpool_{name}", "busy"] == value, name
    for name in COUNTERS:
        shown = "connection_timeout" if name == "requests_timed_out" else name
        count = getattr(stats, name)
        assert told[f"geventconnpool_{shown}_total", "busy"] == count, name
        assert count > 0 or name == "requests_refused", name
    for reason, count in stats.closed.items():
        assert told["geventconnpool_closed_total", "busy", reason] == count
    assert stats.in_use
    assert stats.waiting
    assert stats.closed["broken"]


def test_a_time_is_a_histogram_in_seconds(virtual_clock, registry):
    with Pool(1, name="timed") as pool:
        pool.wait_until_ready()
        export(pool, registry=registry)
        for seconds in (0, 0.02, 0.02, 3, 300):
            hold(pool, seconds)
        told = scrape(registry)
    use = "geventconnpool_connection_usage_seconds"
    limits = ("0.0001", "0.01", "0.025", "2.5", "5.0", "100.0", "+Inf")
    assert [told[f"{use}_bucket", "timed", limit] for limit in limits] == [1, 1, 3, 3, 4, 4, 5]
    assert told[f"{use}_count", "timed"] == 5
    assert told[f"{use}_sum", "timed"] == pytest.approx(303.04)
    assert told["geventconnpool_connection_acquired_seconds_count", "timed"] == 5
    assert told["geventconnpool_connection_creation_seconds_count", "timed"] == 1


def test_with_its_prefix_a_dashboard_for_hikaricp_finds_its_names(virtual_clock, registry):
    with Pool(1, name="db") as pool:
        export(pool, registry=registry, prefix="hikaricp")
        assert {
            *("hikaricp_connections", "hikaricp_active_connections", "hikaricp_idle_connections"),
            *("hikaricp_pending_threads", "hikaricp_max_connections", "hikaricp_min_connections"),
            "hikaricp_connection_timeout_total",
        } <= {name for name, *_ in scrape(registry)}


def test_one_line_for_each_pool_puts_all_into_one_registry(virtual_clock, registry):
    with Pool(1, name="a") as a, Pool(2, name="b") as b:
        assert export(a, registry=registry) is export(b, registry=registry)
        export(a, registry=registry)
        told = scrape(registry)
        assert [told["geventconnpool_max_connections", name] for name in "ab"] == [1, 2]


def test_a_pool_without_a_name_goes_by_its_class_and_no_two_by_one_name(virtual_clock, registry):
    with Pool(1) as pool, Pool(1) as same:
        export(pool, registry=registry)
        assert ("geventconnpool_connections", "Pool") in scrape(registry)
        with pytest.raises(ValueError, match="pool 'Pool' already: give each a `name`"):
            export(same, registry=registry)


def test_a_registry_with_metrics_of_these_names_refuses_others(virtual_clock, registry):
    with Pool(1) as pool:
        registry.register(PoolCollector(pool))
        with pytest.raises(ValueError, match="Duplicated"):
            export(pool, registry=registry)


def test_resizing_is_told(virtual_clock, registry):
    with Pool(4, min_size=2, burst_limit=6, name="p") as pool:
        export(pool, registry=registry)
        assert scrape(registry)["geventconnpool_max_connections", "p"] == 6
        pool.resize(8, min_size=1)
        told, stats = scrape(registry), pool.stats()
    assert told["geventconnpool_max_connections", "p"] == stats.burst_limit
    assert told["geventconnpool_max_idle_connections", "p"] == 8
    assert told["geventconnpool_min_connections", "p"] == 1


def test_a_closed_pool_tells_its_last_figures_until_another_takes_its_place(
    virtual_clock, registry
):
    with Pool(2, name="p") as pool:
        pool.wait_until_ready()
        export(pool, registry=registry)
    told = scrape(registry)
    assert told["geventconnpool_closed_total", "p", "shutdown"] == 2
    assert told["geventconnpool_connections", "p"] == 0
    with Pool(1, name="p") as successor:
        export(successor, registry=registry)
        assert scrape(registry)["geventconnpool_closed_total", "p", "shutdown"] == 0


def test_a_collected_pool_tells_nothing(virtual_clock, registry):
    pool = Pool(2, name="p")
    pool.wait_until_ready()
    export(pool, registry=registry)
    assert ("geventconnpool_connections", "p") in scrape(registry)
    made = pool.made
    del pool
    gc.collect()
    gevent.sleep(1)
    assert [connection.closed for connection in made] == [1, 1]
    assert not scrape(registry)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_never_goes_down(virtual_clock, registry, seed):
    before = {}
    with busy_pool() as pool:
        export(pool, registry=registry)
        for _ in work(pool, seed=seed):
            told = scrape(registry)
            for series, value in told.items():
                if series[0].endswith(("_total", "_bucket", "_count", "_sum")):
                    assert value >= before.get(series, 0), series
            before = told
    assert before["geventconnpool_requests_total", "busy"] > 50


@pytest.mark.parametrize("bounds", [(0.3,), (1.0, 0.5), (1.0, 1.0)])
def test_limits_that_cannot_be_told_are_refused(bounds):
    with pytest.raises(ValueError, match="bounds must be some of"):
        PoolCollector(bounds=bounds)


class Plain(ConnectionPool):
    read_in: int | None = None

    def _new_connection(self) -> object:
        return object()

    def stats(self):
        self.read_in = threading.get_ident()
        return super().stats()


def test_another_thread_has_the_figures_read_between_two_steps_of_the_pool(registry):
    with Plain(1, name="p") as pool:
        pool.wait_until_ready()
        export(pool, registry=registry)
        told = gevent.get_hub().threadpool.apply(scrape, (registry,))
        assert told["geventconnpool_idle_connections", "p"] == 1
        assert pool.read_in == threading.get_ident()


def test_another_thread_reads_the_figures_of_a_pool_whose_loop_hangs(registry):
    with Plain(1, name="p") as pool:
        pool.wait_until_ready()
        export(pool, registry=registry)
        told = []
        thread = threading.Thread(target=lambda: told.append(scrape(registry)))
        thread.start()
        thread.join(10)  # the loop does not turn: nothing here is monkey-patched
        assert told[0]["geventconnpool_idle_connections", "p"] == 1
        gevent.sleep(0.01)
