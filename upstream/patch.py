"""What is one patch file? A header, a line `---`, and a change in RCS format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upstream import rcs
from upstream.errors import UpstreamError
from upstream.header import Header, check_name, parse_header, render_header
from upstream.pin import sha256

SUFFIX = ".patch"


@dataclass(frozen=True)
class Patch:
    """One patch: `file` for messages, and the text it was read from."""

    name: str
    file: str
    header: Header
    commands: tuple[rcs.Command, ...]
    text: str

    def apply(self, before: str) -> str:
        """Return what the patch makes of `before`, both hashes compared.

        Raises:
            UpstreamError: `before` or the result has another hash than the header says, or the
                patch names a line that `before` does not have.
        """
        if sha256(before) != self.header["Pre-SHA256"]:
            raise UpstreamError(
                f"{self.file}: Pre-SHA256 is {self.header['Pre-SHA256']}, but the text before "
                f"this patch has {sha256(before)}; {_ADVICE}"
            )
        lines = rcs.apply(self.commands, rcs.split_lines(before, self.file))
        after = join(lines)
        if sha256(after) != self.header["Post-SHA256"]:
            raise UpstreamError(
                f"{self.file}: Post-SHA256 is {self.header['Post-SHA256']}, but this patch gives "
                f"{sha256(after)}; {_ADVICE}"
            )
        return after

    def check_form(self, before: str, after: str) -> None:
        """Accept the patch only as `export` writes it, and only where it changes something.

        Raises:
            UpstreamError: the patch changes nothing, or was written otherwise.
        """
        if before == after:
            raise UpstreamError(f"{self.file}: changes nothing; remove it, and its line in series")
        if self.text != render(self.header, before, after):
            raise UpstreamError(f"{self.file}: not as `export` writes it; {_ADVICE}")


# Checkout needs patches that apply: whoever edited one by hand has to take that back first.
_ADVICE = (
    "restore it from git; patches are edited in `python -m upstream checkout DIR` and written by "
    "`export DIR`"
)


def join(lines: Sequence[str]) -> str:
    """Return the text of which `lines` are the lines."""
    return "".join(f"{line}\n" for line in lines)


def render(header: Header, before: str, after: str) -> str:
    """Return the patch file that makes `after` of `before`, its hashes written anew."""
    hashes = {"Pre-SHA256": sha256(before), "Post-SHA256": sha256(after)}
    change = rcs.difference(rcs.split_lines(before, "before"), rcs.split_lines(after, "after"))
    return render_header({**header, **hashes}) + "---\n" + change


def read_patch(path: Path) -> Patch:
    """Read a patch file.

    Raises:
        UpstreamError: naming file and line, for anything that is not exactly in form.
    """
    file = f"{path.parent.name}/{path.name}"
    name = path.name.removesuffix(SUFFIX)
    check_name(name, file)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UpstreamError(f"{file}: is not UTF-8: {error}") from None
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        raise UpstreamError(f"{file}:{line}: has a carriage return; lines end in a line feed alone")
    lines = rcs.split_lines(text, file)
    if "---" not in lines:
        raise UpstreamError(f"{file}:{len(lines)}: no line --- ends the header")
    end = lines.index("---")
    header = parse_header(lines[:end], file)
    return Patch(name, file, header, rcs.parse(lines[end + 1 :], file, end + 2), text)
