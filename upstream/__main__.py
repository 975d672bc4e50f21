"""The command line: python -m upstream COMMAND."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path

from upstream.archive import fetch, read_archive
from upstream.borrowed import borrowed
from upstream.changes import changes
from upstream.check import check
from upstream.checkout import checkout
from upstream.dep3 import write_dep3
from upstream.errors import UpstreamError
from upstream.export import export
from upstream.facts import facts
from upstream.pin import read_pin
from upstream.rebase import rebase
from upstream.release import release
from upstream.sbom import make, require_current, validate
from upstream.series import is_compatibility, named, read_series, states, up_to
from upstream.show import COLOURED, PLAIN, rendered
from upstream.tree import Tree, this_tree, write_if_changed
from upstream.watch import run_suite, watch


def run_fetch(tree: Tree, _: argparse.Namespace) -> None:
    """Bring and verify upstream's archive, and say where it came from."""
    pin = read_pin(tree.pin)
    archive = fetch(pin)
    for member in (pin.pool, pin.licence_text):
        archive.member(member)
    print(f"{pin.archive}: sha256 {pin.sha256}, from {archive.origin}")


def run_apply(tree: Tree, options: argparse.Namespace) -> None:
    """Write pool.py: upstream's with the series applied."""
    pin = read_pin(tree.pin)
    patches = read_series(tree.patches)
    if options.upto:
        patches = up_to(patches, options.upto)
    elif options.compatibility:
        patches = list(takewhile(is_compatibility, patches))
    text = fetch(pin).member(pin.pool)
    for _, _, after in states(patches, text):
        text = after
    output = options.output or tree.pool
    changed = write_if_changed(output, text)
    print(f"{output}: {len(patches)} patches, {'written' if changed else 'up to date'}")


def run_check(tree: Tree, _: argparse.Namespace) -> None:
    """Check every hash, every patch file's form, and the result."""
    checked = check(tree)
    print(f"{len(checked.patches)} patches on {checked.pin.archive}: sha256 {checked.pin.result}")


def run_show(tree: Tree, options: argparse.Namespace) -> None:
    """Print a patch, or all, as header and unified diff; or write all as files, for others."""
    pin = read_pin(tree.pin)
    patches = read_series(tree.patches)
    base = fetch(pin).member(pin.pool)
    if options.format == "dep3":
        if not options.what:
            raise UpstreamError("show --format=dep3: name the folder to write to")
        written = write_dep3(Path(options.what), tree, pin, base, patches)
        print(f"{options.what}: {written} patches and their series")
        return
    wanted = [named(patches, options.what)] if options.what else patches
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for patch, before, after in states(patches, base):
        if patch in wanted:
            print(*rendered(patch, before, after, COLOURED if coloured else PLAIN), sep="\n")


def run_checkout(tree: Tree, options: argparse.Namespace) -> None:
    """Make a git repository with one commit a patch, to edit."""
    pin = read_pin(tree.pin)
    base = fetch(pin).member(pin.pool)
    commits = checkout(options.folder, pin, base, read_series(tree.patches))
    print(f"{options.folder}: {commits} commits; back with: python -m upstream export DIR")


def run_export(tree: Tree, options: argparse.Namespace) -> None:
    """Write a checkout's commits back as patch files."""
    patches = options.patches or tree.patches
    own = patches.resolve() == tree.patches.resolve()
    patches.mkdir(parents=True, exist_ok=True)
    exported = export(options.folder, read_pin(tree.pin), patches, update_pin=own)
    for path in exported.written:
        print(f"written: {path}")
    for path in exported.removed:
        print(f"removed: {path}")
    print(f"{patches}: {exported.patches} patches")


def run_rebase(tree: Tree, options: argparse.Namespace) -> None:
    """Move the pin and the patches onto a newer archive of upstream's."""
    pin = read_pin(tree.pin)
    new = read_archive(options.sdist)
    for line in rebase(options.folder, pin, fetch(pin), new, read_series(tree.patches)):
        print(line)


def run_watch(tree: Tree, options: argparse.Namespace) -> None:
    """Try each gevent that COMPATIBILITY.md does not name, and look for a newer upstream."""
    urgent = 0
    for news in watch(tree, partial(run_suite, arguments=options.tests), changes):
        print(*news.lines, sep="\n", flush=True)
        urgent += news.urgent
    if urgent:
        raise UpstreamError(f"releases that call for something: {urgent}")
    print("nothing calls for anything")


def run_sbom(tree: Tree, options: argparse.Namespace) -> None:
    """Write the bill of materials that goes into the wheel, validated."""
    told = facts(tree, read_pin(tree.pin), read_series(tree.patches))
    text = make(told)
    validate(text)
    if options.check and text != require_current(tree.sbom, told):
        raise UpstreamError(f"{tree.sbom}: not as `python -m upstream sbom` writes it")
    changed = write_if_changed(tree.sbom, text)
    print(f"{tree.sbom}: valid, {'written' if changed else 'up to date'}")


def run_release(tree: Tree, options: argparse.Namespace) -> None:
    """Do everything up to the upload: compare, build twice, check, and fill dist/."""
    for line in release(tree, rehearsal=options.rehearsal):
        print(line, flush=True)


def run_borrowed(tree: Tree, _: argparse.Namespace) -> None:
    """Look for upstream's text in this tree, which holds none."""
    findings = borrowed(tree.root, fetch(read_pin(tree.pin)))
    for finding in findings:
        print(finding)
    if findings:
        raise UpstreamError(f"{len(findings)} places hold text of upstream's")
    print("no file holds text of upstream's")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m upstream",
        description="Fetch, verify and patch the pinned upstream release.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[Tree, argparse.Namespace], None]
    ) -> Callable[..., object]:
        added = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        added.set_defaults(run=run)
        return added.add_argument

    command("fetch", run_fetch)
    argument = command("apply", run_apply)
    argument("--upto", metavar="NAME", help="stop after this patch")
    argument("--compatibility", action="store_true", help="only the compatibility patches")
    argument("-o", "--output", type=Path, metavar="FILE", help="instead of the package's pool.py")
    command("check", run_check)
    argument = command("show", run_show)
    argument("what", nargs="?", metavar="NAME|DIR", help="a patch, else all; with dep3, a folder")
    argument("--format", choices=("text", "dep3"), default="text", help="dep3: files for patch -p1")
    command("checkout", run_checkout)("folder", type=Path, metavar="DIR", help="not there or empty")
    argument = command("export", run_export)
    argument("folder", type=Path, metavar="DIR", help="made by checkout or rebase")
    argument("--patches", type=Path, metavar="PATH", help="instead of patches/; leaves the pin")
    argument = command("rebase", run_rebase)
    argument("sdist", type=Path, metavar="SDIST", help="the newer archive, name-version.tar.gz")
    argument("folder", type=Path, metavar="DIR", help="where to make the checkout")
    argument = command("watch", run_watch)
    argument("tests", nargs="*", metavar="TEST", help="for pytest; the whole suite when left out")
    argument = command("sbom", run_sbom)
    argument("--check", action="store_true", help="only say whether it is up to date, and valid")
    argument = command("release", run_release)
    argument("--rehearsal", action="store_true", help="without a date and a clean tree")
    command("borrowed", run_borrowed)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 1 and one line on standard error when something does not fit."""
    options = parser().parse_args(arguments)
    try:
        options.run(this_tree(), options)
    except UpstreamError as error:
        print(f"upstream: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"upstream: {error}: pip install --editable '.[dev]' brings it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `show | head` ends without a traceback
    sys.exit(main())
