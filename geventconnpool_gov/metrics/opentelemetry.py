"""How does OpenTelemetry get to see a pool?

    from geventconnpool_gov.metrics import opentelemetry

    opentelemetry.instrument(pool)

Instruments, units and attributes are those of the semantic conventions for connection pools
(https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#connection-pools). They speak of
databases; `prefix` names a pool that holds something else, and its attributes with it.

States and counts are read when OpenTelemetry collects. The three times are told as they become
known, in the greenlet of the borrower: OpenTelemetry has no histogram that could be read. So each
borrow of an instrumented pool reads the clock and pays for two measurements, some 10 µs with the
SDK. Whatever the SDK raises there is logged once and reaches no caller; a kill or a Timeout that
strikes there costs nothing but that measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

try:
    from opentelemetry import metrics
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError as error:
    raise ImportError(
        f"{__name__} needs opentelemetry-api: pip install 'geventconnpool-gov[otel]'"
    ) from error

from geventconnpool_gov import __version__
from geventconnpool_gov.hooks import brief, log
from geventconnpool_gov.statistics import listen

from . import BOUNDS, Pools, figures, name_of

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider

    from geventconnpool_gov.pool import ConnectionPool

__all__ = ["instrument"]

# Each with its unit, the field of `PoolStats` that it tells, and the conventions' description.
_LEVELS = {
    "max": ("{connection}", "burst_limit", "The maximum number of open connections allowed"),
    "idle.max": ("{connection}", "size", "The maximum number of idle open connections allowed"),
    "idle.min": ("{connection}", "min_size", "The minimum number of idle open connections allowed"),
    "pending_requests": (
        *("{request}", "waiting"),
        "The number of current pending requests for an open connection",
    ),
}

_TIMES = {
    "wait_time": ("wait", "The time it took to obtain an open connection from the pool"),
    "use_time": ("use", "The time between borrowing a connection and returning it to the pool"),
    "create_time": ("connect", "The time it took to create a new connection"),
}


class _Rising:
    """A count that never goes down, though what it is read from begins anew now and then.

    In a forked child, that is, and where a new pool takes a closed one's place. With delta
    temporality a fall would be a negative count.
    """

    __slots__ = ("before", "now", "source")

    def __init__(self) -> None:
        self.before = self.now = 0
        self.source: object = None

    def read(self, source: object, count: int) -> int:
        if source is not self.source:
            self.before, self.source = self.before + self.now, source
        self.now = count
        return self.before + count


class _Instruments:
    """What one meter provider is told under one prefix: one set, whatever the number of pools.

    The SDK drops the callbacks of an observable instrument that is created again.
    """

    def __init__(self, provider: MeterProvider, prefix: str) -> None:
        self.prefix = prefix
        self.pools = Pools()
        self.timeouts: dict[str, _Rising] = {}
        self.failed = False
        meter = provider.get_meter("geventconnpool_gov", __version__)
        meter.create_observable_up_down_counter(
            f"{prefix}.count",
            [self._states],
            "{connection}",
            "The number of connections that are currently in the state described by `state`",
        )
        for suffix, (unit, field, text) in _LEVELS.items():
            callback = self._level(field)
            meter.create_observable_up_down_counter(f"{prefix}.{suffix}", [callback], unit, text)
        meter.create_observable_counter(
            f"{prefix}.timeouts",
            [self._timed_out],
            "{timeout}",
            "The number of timeouts of callers trying to obtain a connection from the pool",
        )
        self.times = {
            field: meter.create_histogram(
                f"{prefix}.{suffix}", "s", text, explicit_bucket_boundaries_advisory=BOUNDS
            )
            for suffix, (field, text) in _TIMES.items()
        }

    def attributes(self, name: str) -> dict[str, str]:
        return {f"{self.prefix}.pool.name": name}

    def _states(self, _: CallbackOptions) -> Iterator[Observation]:
        for name, pool in self.pools:
            stats = figures(pool)
            for state, count in (("idle", stats.idle), ("used", stats.in_use)):
                attributes = {**self.attributes(name), f"{self.prefix}.state": state}
                yield Observation(count, attributes)

    def _level(self, field: str) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def level(_: CallbackOptions) -> Iterator[Observation]:
            for name, pool in self.pools:
                yield Observation(getattr(figures(pool), field), self.attributes(name))

        return level

    def _timed_out(self, _: CallbackOptions) -> Iterator[Observation]:
        for name, pool in self.pools:
            count = self.timeouts.setdefault(name, _Rising())
            # The tally is what counts: a forked child and a new pool have another.
            told = count.read(pool._core.tally, figures(pool).requests_timed_out)
            yield Observation(told, self.attributes(name))

    def listener(self, histogram: Histogram, name: str) -> Callable[[float], None]:
        """What is told of each duration; it raises nothing but interrupts."""
        attributes = self.attributes(name)

        def told(seconds: float) -> None:
            try:
                histogram.record(seconds, attributes)
            except Exception as error:
                if not self.failed:
                    self.failed = True
                    log.warning(
                        "pool %r: OpenTelemetry refused a measurement, this is said once: %s",
                        name,
                        brief(error),
                    )

        return told


_made: WeakKeyDictionary[MeterProvider, dict[str, _Instruments]] = WeakKeyDictionary()
# Of the global provider, which is a stand-in until the application has set one: what was made with
# the stand-in is the real one's from then on.
_of_the_global: dict[str, _Instruments] = {}


def _instruments(provider: MeterProvider | None, prefix: str) -> _Instruments:
    the_global = metrics.get_meter_provider()
    if provider is None:
        provider = the_global
    made = _made.setdefault(provider, {})
    if prefix not in made:
        before = _of_the_global.get(prefix) if provider is the_global else None
        made[prefix] = before or _Instruments(provider, prefix)
    if provider is the_global:
        _of_the_global[prefix] = made[prefix]
    return made[prefix]


def instrument(
    pool: ConnectionPool,
    meter_provider: MeterProvider | None = None,
    *,
    prefix: str = "db.client.connection",
) -> None:
    """Have OpenTelemetry told of this pool, under its name or its class's, while it lives.

    It is not kept alive: when it has been collected, no more is told of it; what the SDK has
    aggregated of its times stays. A closed one goes on telling that nothing is open, until a new
    pool of its name takes its place. In a child forked later, counts and times go on from where
    the parent's were, so that none goes down.

    Args:
        pool: made in this process or in the one that it was forked from.
        meter_provider: None: the global one, be it set before or after this call.
        prefix: of instruments and attributes, for a pool that holds no database connections:
            `"epp.client.session"`, say.

    Raises:
        ValueError: this pool is instrumented already, or another one of its name is, and is not
            closed.
    """
    tally = pool._core.tally
    if any(getattr(tally, field).listener is not None for field, _ in _TIMES.values()):
        raise ValueError(f"pool {name_of(pool)!r} is instrumented already")
    instruments = _instruments(meter_provider, prefix)
    name = instruments.pools.add(pool)
    listeners: dict[str, Any] = {
        field: instruments.listener(histogram, name)
        for field, histogram in instruments.times.items()
    }
    listen(pool._core, **listeners)
