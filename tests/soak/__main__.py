"""The command line: `python -m soak --help`, with tests/ on the path."""

from __future__ import annotations

import argparse
import functools
import json
import sys
import warnings
from pathlib import Path

from soak.report import figures, table
from soak.run import Options, run


def main(arguments: list[str] | None = None) -> int:
    """Run the soak; return 0 where nothing was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        description="Two pools under load and all sorts of trouble, for as long as you like.",
        epilog="The exit status is 0 only if nothing was broken.",
    )
    defaults = Options()
    parser.add_argument(
        "--minutes", type=float, default=defaults.minutes, help="how long (%(default)g)"
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, help="what is drawn, not when (%(default)d)"
    )
    parser.add_argument("--report", type=Path, help="write all figures here, as JSON")
    given = parser.parse_args(arguments)
    record = run(
        Options(minutes=given.minutes, seed=given.seed), functools.partial(print, flush=True)
    )
    result = figures(record, given.seed)
    print(table(result))
    if given.report is not None:
        given.report.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if record.broken else 0


if __name__ == "__main__":
    warnings.simplefilter("error")
    # gevent gives this one in the middle of making a timer, and an error there spoils its memory.
    warnings.filterwarnings("ignore", "libuv only supports millisecond")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
