"""The command line: `python -m matrix`; the page is written where all was run."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from functools import partial

from matrix.combinations import corners, everything
from matrix.environment import ROOT
from matrix.page import page_of, write
from matrix.pythons import standing_here
from matrix.run import UnderWayError, run_all
from upstream.errors import UpstreamError
from upstream.releases import is_preview, released
from upstream.tree import this_tree
from upstream.watch import oldest_gevent

PAGE = ROOT / "COMPATIBILITY.md"


def main(arguments: list[str] | None = None) -> int:
    """Run all, or the corners; return 0 where nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__)
    parser.add_argument(
        "--corners",
        action="store_true",
        help="oldest, newest and one between; what cannot be had is named, and is no failure",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="so many at a time; one for a core")
    parser.add_argument("--gevent", metavar="VERSION", help="on this one alone, a pre-release too")
    parser.add_argument("--python", metavar="MINOR", help="on this one alone, such as 3.12")
    parser.add_argument("tests", nargs="*", help="these alone")
    options = parser.parse_args(arguments)
    tell: Callable[[str], object] = partial(print, flush=True)

    try:
        releases = [options.gevent] if options.gevent else supported_releases()
    except UpstreamError as error:
        tell(f"LEFT OUT, all of it: {error}")
        return 0 if options.corners else 1
    pythons = [python for python in standing_here() if options.python in (None, python.minor)]
    if not pythons:
        parser.error(f"--python: no CPython {options.python} stands here")
    tell(f"CPython {', '.join(python.full for python in pythons)} stand here")
    chosen = (corners if options.corners else everything)(releases, pythons)
    try:
        outcomes = run_all(chosen, tell, jobs=options.jobs, tests=options.tests)
    except UnderWayError as error:
        tell(str(error))
        return 1
    failed = [outcome for outcome in outcomes if outcome.failed]
    missing = [outcome for outcome in outcomes if outcome.left_out]
    tell(f"{len(outcomes)} combinations: {len(failed)} failed, {len(missing)} left out")
    if not (options.corners or options.gevent or options.python or options.tests):
        machine = f"{platform.system()} {platform.machine()}"
        PAGE.write_text(write(page_of(outcomes, machine)), "utf-8")
        tell(f"{PAGE.name}: written")
    return bool(failed or (missing and not options.corners))


def supported_releases() -> list[str]:
    """Return the gevent releases that the package allows, the newest first.

    Raises:
        UpstreamError: the index cannot be asked.
    """
    versions = [version for version in released("gevent") if not is_preview(version)]
    return versions[: versions.index(oldest_gevent(this_tree())) + 1]


if __name__ == "__main__":
    sys.exit(main())
