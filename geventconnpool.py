"""The name that programs written for upstream import; all of it is geventconnpool_gov's.

This is a module file, not a package: an upstream installed beside it is a package, which Python
prefers, and neither install overwrites a file of the other's.
"""

import sys

from geventconnpool_gov import pool
from geventconnpool_gov.pool import ConnectionPool, retry

__all__ = ["ConnectionPool", "pool", "retry"]

# A module has no submodules to search, so `geventconnpool.pool` is put where imports look first.
sys.modules[f"{__name__}.pool"] = pool
