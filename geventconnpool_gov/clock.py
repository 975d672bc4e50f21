"""What time is it, for deadlines and ages?

The package's modules write ``from . import clock`` and call ``clock.monotonic()``: seconds as
float, from an arbitrary start, never backwards. It is `time.monotonic`, which `gevent.monkey`
leaves alone, unless `geventconnpool_gov.testing.virtual_time` has put a virtual clock in its place.

Read it as an attribute where it is used, or keep it from the construction of a pool on, where an
attribute look-up would count. ``from .clock import monotonic`` would keep the real clock for ever.
"""

import time
from collections.abc import Callable

monotonic: Callable[[], float] = time.monotonic

SHORTEST = 0.001
"""Seconds; no timer is set to less: libuv counts milliseconds, and warns of what is shorter."""
