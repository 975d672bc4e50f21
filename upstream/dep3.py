"""How do others apply the series? As ordinary unified patches, for `patch -p1`, quilt or git.

They hold upstream's lines, as context and where they remove some, so they are written outside the
tree alone. Headers follow DEP-3 (https://dep-team.pages.debian.net/deps/dep3/), paths are those of
upstream's archive.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.header import Header, render_header
from upstream.patch import SUFFIX, Patch
from upstream.pin import Pin
from upstream.series import states
from upstream.show import unified
from upstream.tree import Tree

# What may stand before the first comma of Origin.
_ORIGINS = ("upstream", "backport", "vendor", "other")


def write_dep3(folder: Path, tree: Tree, pin: Pin, base: str, patches: Iterable[Patch]) -> int:
    """Write each patch and their `series` into `folder`, and return how many patches they are.

    Raises:
        UpstreamError: the folder is inside the tree, or holds something; a patch does not apply.
    """
    if folder.resolve().is_relative_to(tree.root.resolve()):
        raise UpstreamError(
            f"{folder}: is inside the tree, which holds no text of upstream's; name one outside"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UpstreamError(f"{folder}: is not an empty folder")
    texts = {
        f"{patch.name}{SUFFIX}": _dep3(patch, before, after, pin.pool.path)
        for patch, before, after in states(patches, base)
    }
    top = f"# In the top folder of {pin.name}-{pin.version}, each with -p1, in this order.\n"
    texts["series"] = top + "".join(f"{name}\n" for name in texts)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    return len(texts) - 1


def _dep3(patch: Patch, before: str, after: str, path: str) -> str:
    diff = "".join(f"{line}\n" for line in unified(before, after, file=path))
    return f"{render_header(_public(patch.header))}---\n{diff}"


def _public(header: Header) -> Header:
    """Return the header in the words that DEP-3 gives a meaning to.

    Any Forwarded but a bare `no` or `not-needed` reads as yes there, so a remark behind it moves
    to the description.
    """
    public = dict(header)
    if header["Origin"].partition(",")[0] not in _ORIGINS and "://" not in header["Origin"]:
        public["Origin"] = f"other, {header['Origin']}"
    forwarded, _, why = header["Forwarded"].partition(",")
    if forwarded in ("no", "not-needed") and why:
        public["Forwarded"] = forwarded
        public["Description"] += f"\n\nNot forwarded: {why.strip()}."
    return public
