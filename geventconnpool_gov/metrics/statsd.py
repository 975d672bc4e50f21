"""How does a statsd server, or Datadog's agent, get to see a pool?

    from geventconnpool_gov.metrics import statsd

    statsd.report(pool, client)

`client` is `statsd.StatsClient` or `datadog.dogstatsd.DogStatsd`, or what has their methods; this
module imports neither. Every `interval` seconds a greenlet sends states as gauges, counts as
increments since the last report, and the percentiles of the times of that interval, as gauges in
milliseconds. Percentiles, and not one timing for each borrow: a datagram for each would cost more
than the borrow.

A gauge keeps its value on the server for ever, so an interval in which nobody waited says 0, and
the last report sets every gauge to 0. Several processes that report under one name overwrite each
other's gauges, while their counts add up: give each a prefix or tags of its own.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import gevent

from geventconnpool_gov.histograms import Histogram
from geventconnpool_gov.hooks import brief, log
from geventconnpool_gov.options import seconds

from . import COUNTERS, figures, name_of

if TYPE_CHECKING:
    from geventconnpool_gov.pool import ConnectionPool
    from geventconnpool_gov.statistics import PoolStats

__all__ = ["report"]

_STATE = ("open", "idle", "in_use", "opening", "closing", "waiting")
_GAUGES = ("size", "min_size", "burst_limit", *_STATE)
_TIMES = ("wait", "use", "connect")
_PERCENTILES = (50, 95, 99)

# What both protocols leave a name: their separators are among the others.
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


class _Statsd:
    """Names are paths: `geventconnpool.<pool>.in_use`."""

    def __init__(self, client: Any, prefix: str, pool: str) -> None:
        self.client, self.path = client, f"{prefix}.{pool}"

    def gauge(self, name: str, value: float) -> None:
        self.client.gauge(f"{self.path}.{name}", value)

    def count(self, name: str, reason: str, by: int) -> None:
        self.client.incr(".".join(filter(None, (self.path, name, reason))), by)


class _Datadog:
    """Names are the same for all pools, which are told apart by tags."""

    def __init__(self, client: Any, prefix: str, pool: str, tags: Iterable[str]) -> None:
        self.client, self.prefix, self.tags = client, prefix, [f"pool:{pool}", *tags]

    def gauge(self, name: str, value: float) -> None:
        self.client.gauge(f"{self.prefix}.{name}", value, tags=self.tags)

    def count(self, name: str, reason: str, by: int) -> None:
        tags = [*self.tags, f"reason:{reason}"] if reason else self.tags
        self.client.increment(f"{self.prefix}.{name}", by, tags=tags)


class _Reporter:
    """What has been sent of one pool, and what is to be sent."""

    def __init__(self, pool: ConnectionPool, way: _Statsd | _Datadog) -> None:
        self.pool = weakref.ref(pool)
        self.name = name_of(pool)
        self.way = way
        self.failing = False
        self.source: object = None
        self.sent: dict[tuple[str, str], int] = {}
        self.times: dict[str, Histogram] = {}

    def run(self, interval: float) -> None:
        """Report until the pool is gone, or closed with nothing left open."""
        while self._report():
            gevent.sleep(interval, ref=False)

    def _report(self) -> bool:
        pool = self.pool()
        goes_on = pool is not None
        try:
            if pool is not None:
                stats = figures(pool)
                goes_on = not pool._core.ledger.shut or stats.open > 0
                self._count(pool._core.tally, stats)
                if goes_on:
                    self._gauge(stats)
            if not goes_on:
                self._silence()
            self.failing = False
        except (Exception, gevent.Timeout) as error:
            if not self.failing:
                self.failing = True
                log.warning("pool %r: statsd got no report: %s", self.name, brief(error))
        return goes_on

    def _count(self, source: object, stats: PoolStats) -> None:
        if source is not self.source:  # a forked child counts from zero
            self.source, self.sent, self.times = source, {}, {}
        counts = [(name, "", getattr(stats, name)) for name in COUNTERS]
        counts += [("closed", reason, count) for reason, count in stats.closed.items()]
        for name, reason, count in counts:
            by = count - self.sent.get((name, reason), 0)
            if by > 0:
                self.way.count(name, reason, by)
                self.sent[name, reason] = count  # not where that raised: it is sent the next time

    def _gauge(self, stats: PoolStats) -> None:
        for name in _GAUGES:
            self.way.gauge(name, getattr(stats, name))
        for name in _TIMES:
            now: Histogram = getattr(stats, name)
            newer = _since(now, self.times.get(name))
            for percent in _PERCENTILES:
                self.way.gauge(f"{name}_ms.p{percent}", round(newer.percentile(percent) * 1000, 3))
            self.times[name] = now

    def _silence(self) -> None:
        times = [f"{name}_ms.p{percent}" for name in _TIMES for percent in _PERCENTILES]
        for name in (*_GAUGES, *times):
            self.way.gauge(name, 0)


def _since(now: Histogram, before: Histogram | None) -> Histogram:
    """The durations that came in between. Their `max` may be that of an earlier one."""
    if before is None:
        return now
    counts = tuple(map(int.__sub__, now.counts, before.counts))
    return Histogram(now.count - before.count, now.sum - before.sum, now.max, counts)


def report(
    pool: ConnectionPool,
    client: Any,
    interval: float = 10.0,
    *,
    prefix: str = "geventconnpool",
    tags: Iterable[str] = (),
) -> gevent.Greenlet[..., Any]:
    """Report the figures of a pool now, and every `interval` seconds while it lives.

    The reports do not keep the pool alive, nor the process. They end after the pool was closed and
    its last connection came back, or when it has been collected (what was counted since the last
    report is lost then). What the client raises is logged when it begins, and the counts are sent
    when it works again. In a child forked later the copy of the greenlet goes on, with the child's
    own figures: do not call this in both.

    Args:
        pool: its name, or its class's where it has none, is in the path or the tag `pool`.
        client: has `gauge`, and `incr` (statsd) or `increment` (Datadog's, with tags).
        interval: seconds, above zero.
        prefix: what every metric's name begins with, a dot following.
        tags: more tags for each metric; Datadog only.

    Returns:
        the greenlet; kill it to end the reports earlier.

    Raises:
        TypeError, ValueError: an argument is not as described; the text names it.
    """
    checked = seconds("interval", interval)
    assert checked is not None
    name = _FOREIGN.sub("_", name_of(pool))
    way: _Statsd | _Datadog
    if hasattr(client, "increment"):
        way = _Datadog(client, prefix, name, tags)
    elif not hasattr(client, "incr"):
        raise TypeError(f"client must have gauge, and incr or increment, got {client!r}")
    elif tags:
        raise ValueError(f"tags are for Datadog's client, got {tags!r} for {client!r}")
    else:
        way = _Statsd(client, prefix, name)
    return gevent.spawn(_Reporter(pool, way).run, checked)
