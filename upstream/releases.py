"""Which releases of a project does the package index have?

Asked by way of pip, so that the configured index, proxies and credentials hold.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from upstream.errors import UpstreamError

_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?(?:\.(?:post|dev)\d+)?(?!\w)")


def released(name: str) -> list[str]:
    """Return every version that the index has, the newest first, pre-releases too.

    Raises:
        UpstreamError: the index cannot be asked, or has no such project; with pip's own words.
    """
    command = ("index", "versions", "--pre", "--ignore-requires-python")
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *command, name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    listed = re.search(r"^Available versions: (.+)$", run.stdout, re.MULTILINE)
    if run.returncode or not listed:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR:")]
        raise UpstreamError(f"the index says nothing of {name}: {' '.join(errors) or run.stderr}")
    return listed[1].split(", ")


def is_preview(version: str) -> bool:
    """Say whether a version is a pre-release."""
    return re.search(r"(a|b|rc|dev)\d", version) is not None


def unseen(versions: list[str], oldest: str, page: Path) -> list[str]:
    """Return those of `versions` from `oldest` on that `page` does not name, the newest first.

    A pre-release is left out where the page names a release that came after it.

    Raises:
        UpstreamError: the page is not there, or the index no longer has the oldest.
    """
    if oldest not in versions:
        raise UpstreamError(f"the index does not have {oldest}, the oldest that is supported")
    try:
        named = set(_VERSION.findall(page.read_text("utf-8")))
    except OSError as error:
        raise UpstreamError(f"{page}: cannot be read: {error.strerror}") from None
    supported = versions[: versions.index(oldest)]
    newest = next((at for at, version in enumerate(supported) if version in named), len(supported))
    return [
        version
        for at, version in enumerate(supported)
        if version not in named and not (is_preview(version) and at > newest)
    ]


def before_it(versions: list[str], version: str) -> str:
    """Return the release that was before this one; pre-releases are none."""
    return next(v for v in versions[versions.index(version) + 1 :] if not is_preview(v))


def newer(versions: list[str], known: str) -> list[str]:
    """Return those of `versions` that came after the one that is known, the newest first."""
    return versions[: versions.index(known)] if known in versions else versions
