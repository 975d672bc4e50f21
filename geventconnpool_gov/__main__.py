"""The command line: `python -m geventconnpool_gov audit` and `… doctor`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def run_audit(options: argparse.Namespace) -> int:
    """Say what is installed, and compare every file with the release: 0 equal, 1 not, 2 unknown."""
    from .audit import audit

    found = audit(
        options.path, rebuild=options.rebuild, source=options.source, archive=options.archive
    )
    print(found.as_json() if options.json else "\n".join(found.lines()))
    return found.status


def run_doctor(options: argparse.Namespace) -> int:
    """Look at what the pool runs on, and say what to do: 0, or 1 where something fails."""
    from .doctor import examine

    findings = examine(application=False)
    if options.json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        print(*findings, sep="\n")
    return int(any(finding.level == "fail" for finding in findings))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m geventconnpool_gov")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    audit = commands.add_parser("audit", help=run_audit.__doc__, description=run_audit.__doc__)
    audit.set_defaults(run=run_audit)
    audit.add_argument("--path", type=Path, metavar="DIR", help="the site-packages to look at")
    audit.add_argument("--json", action="store_true", help="as JSON")
    audit.add_argument(
        "--rebuild",
        action="store_true",
        help="make the patched module anew from upstream's archive and the patches, and compare",
    )
    audit.add_argument(
        "--source",
        type=Path,
        metavar="PATH",
        help="for --rebuild: a checkout, or this release's source distribution",
    )
    audit.add_argument(
        "--archive",
        type=Path,
        metavar="FILE",
        help="for --rebuild: upstream's archive, where PATH lacks it; or $GEVENTCONNPOOL_SDIST",
    )
    doctor = commands.add_parser("doctor", help=run_doctor.__doc__, description=run_doctor.__doc__)
    doctor.set_defaults(run=run_doctor)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status."""
    options = parser().parse_args(arguments)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
