"""Which patches are there, and in which order do they apply?

`patches/series` names one patch file a line. Empty lines and lines that start with # are remarks;
those above a name belong to it, those before the first empty line to the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from upstream.errors import UpstreamError
from upstream.patch import SUFFIX, Patch, read_patch


def read_series(folder: Path) -> list[Patch]:
    """Read the patches of `folder` in their order.

    Raises:
        UpstreamError: no series; a name twice or without a file, or a file that is not named; a
            patch whose Reason is compatibility behind one with another; a file not in form.
    """
    if not (folder / "series").is_file():
        raise UpstreamError(f"{folder}/series: is not there")
    names = _names(folder)
    there = {path.name for path in folder.iterdir() if path.suffix == SUFFIX}
    for name in sorted(there - set(names)):
        raise UpstreamError(f"{folder.name}/{name}: unused patch: {folder.name}/series lacks it")
    patches = [read_patch(folder / name) for name in names]
    for earlier, later in pairwise(patches):
        if is_compatibility(later) and not is_compatibility(earlier):
            raise UpstreamError(
                f"{later.file}: Reason is compatibility, behind {earlier.name}: compatibility "
                "patches come first, so that they alone give an upstream that runs"
            )
    return patches


def is_compatibility(patch: Patch) -> bool:
    """Say whether the patch only makes upstream run where it no longer does."""
    return patch.header["Reason"] == "compatibility"


def up_to(patches: Sequence[Patch], name: str) -> list[Patch]:
    """Return the patches up to `name`, that one included."""
    return list(patches[: patches.index(named(patches, name)) + 1])


def named(patches: Iterable[Patch], name: str) -> Patch:
    """Return the patch called `name`, with or without the suffix.

    Raises:
        UpstreamError: there is none.
    """
    for patch in patches:
        if patch.name == name.removesuffix(SUFFIX):
            return patch
    raise UpstreamError(f"no patch {name} in the series")


def states(patches: Iterable[Patch], base: str) -> Iterator[tuple[Patch, str, str]]:
    """Apply `patches` to `base` one after the other: each patch with the text before and after.

    Raises:
        UpstreamError: a patch does not apply, or a hash differs.
    """
    text = base
    for patch in patches:
        before, text = text, patch.apply(text)
        yield patch, before, text


def render_series(folder: Path, names: Sequence[str]) -> str:
    """Return the text of `series` with `names` in it, keeping the remarks of the present one."""
    top, remarks, bottom = _remarks(folder)
    written = [*top]
    for name in names:
        written += [*remarks.get(f"{name}{SUFFIX}", ()), f"{name}{SUFFIX}"]
    return "".join(f"{line}\n" for line in [*written, *bottom])


def _remarks(folder: Path) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Return the remarks that belong to the file, to each name, and to the end."""
    top: list[str] = []
    pending: list[str] = []
    remarks: dict[str, list[str]] = {}
    for line in _lines(folder):
        if _is_remark(line):
            pending.append(line)
            if not line and not top and not remarks:
                top, pending = pending, []
        else:
            remarks[line], pending = pending, []
    return top, remarks, pending


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    for number, line in enumerate(_lines(folder), 1):
        place = f"{folder.name}/series:{number}"
        if _is_remark(line):
            continue
        if line in names:
            raise UpstreamError(f"{place}: {line} is named twice")
        if not line.endswith(SUFFIX):
            raise UpstreamError(f"{place}: {line!r} is no name of a {SUFFIX} file")
        if not (folder / line).is_file():
            raise UpstreamError(f"{place}: missing patch: {folder.name}/{line} is not there")
        names.append(line)
    return names


def _is_remark(line: str) -> bool:
    return not line or line.startswith("#")


def _lines(folder: Path) -> list[str]:
    file = folder / "series"
    return file.read_text("utf-8").split("\n")[:-1] if file.is_file() else []
