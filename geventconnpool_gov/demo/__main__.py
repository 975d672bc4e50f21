"""The demo's command line: `python -m geventconnpool_gov.demo --help`."""

from __future__ import annotations

import argparse
import functools
import sys
from contextlib import AbstractContextManager, ExitStack

from .lines import Lines
from .show import Options, View, run

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 where every promise was kept, 1 where one was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m geventconnpool_gov.demo",
        description="A pool of EPP sessions at work against a registry that misbehaves.",
        epilog="The exit status is 0 only if every promise was kept.",
    )
    defaults = Options()
    add = functools.partial(parser.add_argument, metavar="N")
    add("--seconds", type=float, default=defaults.seconds, help="how long (%(default)g)")
    add("--clients", type=int, default=defaults.clients, help="client greenlets (%(default)d)")
    add("--size", type=int, default=defaults.size, help="sessions in the pool (%(default)d)")
    add("--seed", type=int, default=defaults.seed, help="which mishaps, and when (%(default)d)")
    parser.add_argument("--plain", action="store_true", help="lines, even in a terminal")
    given = vars(parser.parse_args(arguments))
    plain = given.pop("plain") or not sys.stdout.isatty()
    options = Options(**given)
    with ExitStack() as stack:
        view: View = (
            Lines(options, functools.partial(print, flush=True)) if plain else _live(options)
        )
        if isinstance(view, AbstractContextManager):
            stack.enter_context(view)
        results = run(options, view)
    return 0 if all(result.kept for result in results) else 1


def _live(options: Options) -> View:
    try:
        from .live import LiveView
    except ImportError:  # rich is not installed
        return Lines(options)
    return LiveView(options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
