"""Does everything fit together: pin, archive, patches and the hash of their result?"""

from __future__ import annotations

from dataclasses import dataclass

from upstream.archive import Archive, fetch
from upstream.errors import UpstreamError
from upstream.patch import Patch
from upstream.pin import Pin, read_pin, sha256
from upstream.series import read_series, states
from upstream.tree import Tree


@dataclass(frozen=True)
class Checked:
    """What held: the pin, the archive, the patches, and the text of the built `pool.py`."""

    pin: Pin
    archive: Archive
    patches: list[Patch]
    pool: str


def check(tree: Tree) -> Checked:
    """Compare every hash that there is, and every patch file with what `export` would write.

    Raises:
        UpstreamError: at the first thing that does not fit.
    """
    pin = read_pin(tree.pin)
    archive = fetch(pin)
    archive.member(pin.licence_text)
    text = archive.member(pin.pool)
    patches = read_series(tree.patches)
    for patch, before, after in states(patches, text):
        patch.check_form(before, after)
        text = after
    if sha256(text) != pin.result:
        raise UpstreamError(
            f"{tree.pin}: expected a result of sha256 {pin.result}, got {sha256(text)}; "
            "`python -m upstream export DIR` writes it"
        )
    return Checked(pin, archive, patches, text)
