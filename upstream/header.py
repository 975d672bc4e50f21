"""What does a patch say about itself, in its file and in a commit message?

In the file, a DEP-3 header: each field once, in the order of `FIELDS`; further lines of a value
start with a space, and a space and a full stop stand for an empty one. In a commit message, the
description is the message's text, and the other fields, the hashes left out, are its last
paragraph, with the patch's name before them:

    Close discarded connections.

    Why it is needed.

    Patch: close-discarded-connections
    Reason: defect
    ...

Both forms hold the same, so that one can be made of the other without loss.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from upstream.errors import UpstreamError

REASONS = ("defect", "compatibility", "seam", "extension")
HASHES = ("Pre-SHA256", "Post-SHA256")
OPTIONAL = ("Bug",)
FIELDS = (
    *("Description", "Reason", "Origin", "Forwarded", "Bug"),
    *("Touches", "Tests", "Last-Update", *HASHES),
)
IN_MESSAGE = tuple(field for field in FIELDS if field not in ("Description", *HASHES))

Header = Mapping[str, str]

_FIELD = re.compile(r"([A-Z][A-Za-z0-9-]*):(?: (.*))?")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def parse_header(lines: Sequence[str], file: str) -> Header:
    """Read the header of a patch file, its closing `---` left out.

    Raises:
        UpstreamError: a field is unknown, missing, double, out of order or has no good value.
    """
    header = _fields(lines, file, FIELDS)
    for field in FIELDS:
        if field not in header and field not in OPTIONAL:
            raise UpstreamError(f"{file}:{len(lines) + 1}: the header ends without {field}")
    check_values(header, file)
    return header


def render_header(header: Header) -> str:
    """Return the header as it stands in a patch file."""
    written = []
    for field in FIELDS:
        if field in header:
            first, *rest = header[field].split("\n")
            written += [f"{field}: {first}\n", *(f" {line or '.'}\n" for line in rest)]
    return "".join(written)


def render_message(name: str, header: Header) -> str:
    """Return the commit message that carries the patch called `name`."""
    subject, _, body = header["Description"].partition("\n")
    folded = {field: header[field].replace("\n", "\n ") for field in IN_MESSAGE if field in header}
    fields = [f"Patch: {name}", *(f"{field}: {value}" for field, value in folded.items())]
    return "\n\n".join(part for part in (subject, body, "\n".join(fields)) if part) + "\n"


def parse_message(message: str, commit: str) -> tuple[str, Header]:
    """Return the patch's name and its header, without the hashes, from a commit message.

    Raises:
        UpstreamError: the last paragraph is not the fields, or one of them is not right.
    """
    text, _, last = message.strip("\n").rpartition("\n\n")
    wanted = ("Patch", *IN_MESSAGE)
    if not text or not last.startswith("Patch: "):
        needed = ", ".join(field for field in wanted if field not in OPTIONAL)
        raise UpstreamError(f"{commit}: the message must end in a paragraph of fields: {needed}")
    fields = dict(_fields(last.split("\n"), f"{commit}: fields", wanted))
    missing = [field for field in wanted if field not in fields and field not in OPTIONAL]
    if missing:
        raise UpstreamError(f"{commit}: the message's last paragraph lacks {', '.join(missing)}")
    name = fields.pop("Patch")
    check_name(name, commit)
    subject, _, body = text.partition("\n\n")
    header = {"Description": f"{subject}\n{body}" if body else subject, **fields}
    check_values(header, commit)
    return name, MappingProxyType(header)


def check_name(name: str, where: str) -> None:
    """Accept a slug, such as `close-discarded-connections`."""
    if not _NAME.fullmatch(name):
        raise UpstreamError(f"{where}: {name!r} is no patch name, such as mend-this-thing")


def check_values(header: Header, where: str) -> None:
    """Accept values that mean something and that survive both forms unchanged."""
    for field, value in header.items():
        _check_lines(field, value.split("\n"), where)
        if field in HASHES and not re.fullmatch(r"[0-9a-f]{64}", value):
            raise UpstreamError(f"{where}: {field} is no SHA-256")
    if header["Reason"] not in REASONS:
        raise UpstreamError(f"{where}: Reason is none of {', '.join(REASONS)}")
    if not _is_date(header["Last-Update"]):
        raise UpstreamError(f"{where}: Last-Update is no date of the form YYYY-MM-DD")


def _check_lines(field: str, lines: Sequence[str], where: str) -> None:
    if not lines[0]:
        raise UpstreamError(f"{where}: {field} is empty")
    if any(line != line.rstrip() or line == "." for line in lines):
        raise UpstreamError(f"{where}: {field} has a line that ends in a space, or a lone dot")
    if any(line.startswith("#") for line in lines):
        raise UpstreamError(f"{where}: {field} has a line starting with #, which git drops")
    empty = [number for number, line in enumerate(lines) if not line]
    if field != "Description" and empty:
        raise UpstreamError(f"{where}: {field} has an empty line")
    if {1, len(lines) - 1} & set(empty) or any(number + 1 in empty for number in empty):
        raise UpstreamError(f"{where}: {field} has an empty line that divides no paragraphs")


def _fields(lines: Sequence[str], where: str, known: Sequence[str]) -> Header:
    values: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        place = f"{where}:{number}"
        if line.startswith(" ") and values:
            list(values.values())[-1].append("" if line == " ." else line[1:])
            continue
        match = _FIELD.fullmatch(line)
        if not match:
            raise UpstreamError(f"{place}: expected a field, or a line that starts with a space")
        field = match[1]
        if field not in known:
            raise UpstreamError(f"{place}: unknown field {field}")
        if field in values:
            raise UpstreamError(f"{place}: a second {field}")
        if any(known.index(field) < known.index(other) for other in values):
            raise UpstreamError(f"{place}: {field} out of order, which is {', '.join(known)}")
        values[field] = [match[2] or ""]
    return MappingProxyType({field: "\n".join(value) for field, value in values.items()})


def _is_date(value: str) -> bool:
    try:
        return datetime.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
