"""How does Prometheus get to see a pool?

    from geventconnpool_gov.metrics import prometheus

    prometheus.export(pool)

Names and the label `pool` follow HikariCP's `PrometheusMetricsTracker` and `HikariCPCollector`,
with a prefix of ours (`prefix="hikaricp"` gives theirs) and with seconds for times, as Prometheus
wants (https://prometheus.io/docs/practices/naming/#base-units). What HikariCP does not know follows
the same shape.

Everything is read when Prometheus asks; nothing runs in between, and no borrow becomes slower. A
forked child counts from zero, as a process of its own does. A pool of the name of a closed one
takes its place and counts from zero: Prometheus takes that for a restart, which it is. The library
has no custom collectors where PROMETHEUS_MULTIPROC_DIR is set: have each worker scraped by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
except ImportError as error:
    raise ImportError(
        f"{__name__} needs prometheus_client: pip install 'geventconnpool-gov[prometheus]'"
    ) from error

from geventconnpool_gov import histograms

from . import BOUNDS, COUNTERS, Pools, figures

if TYPE_CHECKING:
    from geventconnpool_gov.histograms import Histogram
    from geventconnpool_gov.pool import ConnectionPool
    from geventconnpool_gov.statistics import PoolStats

__all__ = ["PoolCollector", "export"]

# Each with the field of `PoolStats` that it tells.
_GAUGES = {
    "connections": ("open", "Connections open: idle or in use"),
    "active_connections": ("in_use", "Connections in use"),
    "idle_connections": ("idle", "Connections waiting for a caller"),
    "opening_connections": ("opening", "Connects under way"),
    "closing_connections": ("closing", "Closes under way"),
    "pending_threads": ("waiting", "Callers (greenlets) waiting for a connection"),
    "max_connections": ("burst_limit", "The most connections that may be open"),
    "max_idle_connections": ("size", "The most connections that stay open when idle"),
    "min_connections": ("min_size", "Connections kept open when idle"),
}

_TIMES = {
    "connection_acquired_seconds": ("wait", "How long callers waited until they had a connection"),
    "connection_usage_seconds": ("use", "How long connections were lent"),
    "connection_creation_seconds": ("connect", "How long successful connects took"),
}

_HIKARICPS_NAME = {"requests_timed_out": "connection_timeout"}


class PoolCollector:
    """Collects the figures of any number of pools; for `CollectorRegistry.register`.

    It keeps no pool alive: the series of one that was collected are gone from the next scrape on.
    A closed pool's stay until then, or until another pool of its name is added.

    Args:
        pools: the first ones; see `add`.
        prefix: what every metric's name begins with, an underscore following.
        bounds: limits of the histograms' buckets, in seconds: some of
            `geventconnpool_gov.histograms.BOUNDS`, ascending.

    Raises:
        ValueError: two of the pools have one name; a bound is not there to be told.
    """

    def __init__(
        self,
        *pools: ConnectionPool,
        prefix: str = "geventconnpool",
        bounds: Sequence[float] = BOUNDS,
    ) -> None:
        if not set(bounds) <= set(histograms.BOUNDS) or list(bounds) != sorted(set(bounds)):
            raise ValueError(f"bounds must be some of histograms.BOUNDS, ascending, got {bounds!r}")
        self._prefix = prefix
        self._bounds = tuple(bounds)
        self._pools = Pools()
        for pool in pools:
            self.add(pool)

    def add(self, pool: ConnectionPool) -> None:
        """Tell of this pool too, under its name, or its class's where it has none.

        Raises:
            ValueError: another pool of that name is there, and is not closed.
        """
        self._pools.add(pool)

    def describe(self) -> Iterable[Metric]:
        """Every metric, without samples: what the registry checks other collectors against."""
        return self._families([])

    def collect(self) -> Iterable[Metric]:
        """Every metric with the samples of every pool, now. From any thread."""
        return self._families([(name, figures(pool)) for name, pool in self._pools])

    def _families(self, told: list[tuple[str, PoolStats]]) -> Iterator[Metric]:
        for suffix, (field, text) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"{self._prefix}_{suffix}", text, labels=["pool"])
            for name, stats in told:
                gauge.add_metric([name], getattr(stats, field))
            yield gauge
        for field, text in COUNTERS.items():
            suffix = _HIKARICPS_NAME.get(field, field)
            counter = CounterMetricFamily(f"{self._prefix}_{suffix}", text, labels=["pool"])
            for name, stats in told:
                counter.add_metric([name], getattr(stats, field))
            yield counter
        closed = CounterMetricFamily(
            f"{self._prefix}_closed", "Connections closed, by reason", labels=["pool", "reason"]
        )
        for name, stats in told:
            for reason, count in stats.closed.items():
                closed.add_metric([name, reason], count)
        yield closed
        for suffix, (field, text) in _TIMES.items():
            times = HistogramMetricFamily(f"{self._prefix}_{suffix}", text, labels=["pool"])
            for name, stats in told:
                histogram: Histogram = getattr(stats, field)
                steps = (*histogram.cumulative(self._bounds), ("+Inf", histogram.count))
                buckets = [(str(bound), float(count)) for bound, count in steps]
                times.add_metric([name], buckets, histogram.sum)
            yield times


# The registry's one collector for each prefix: it refuses a second one of the same names.
_collectors: WeakKeyDictionary[CollectorRegistry, dict[str, PoolCollector]] = WeakKeyDictionary()


def export(
    *pools: ConnectionPool,
    registry: CollectorRegistry = REGISTRY,
    prefix: str = "geventconnpool",
) -> PoolCollector:
    """Have a registry tell of these pools too, for as long as they live.

    Each pool under its name, or its class's where it has none; it is not kept alive. Children
    forked later tell of their own use of it. May be called for each pool, and again.

    Returns:
        the registry's one collector of this prefix.

    Raises:
        ValueError: another pool of that name is there, and is not closed; the registry has
            metrics of these names from elsewhere.
    """
    collectors = _collectors.setdefault(registry, {})
    if prefix not in collectors:
        collector = PoolCollector(prefix=prefix)
        registry.register(collector)
        collectors[prefix] = collector
    for pool in pools:
        collectors[prefix].add(pool)
    return collectors[prefix]
