"""A patch file is read only when it is exactly in form; each fault is named by file and line."""

from __future__ import annotations

import pytest

from tests.patches.project import Project, header
from upstream.errors import UpstreamError
from upstream.header import FIELDS, HASHES, Header, parse_message, render_message
from upstream.patch import read_patch
from upstream.series import read_series

NAME = "lend-the-oldest"


def test_a_patch_file_says_what_its_header_says(project: Project) -> None:
    patch = read_patch(project.file(NAME))
    assert list(patch.header) == [field for field in FIELDS if field != "Bug"]
    assert {key: patch.header[key] for key in header()} == header()


def test_a_header_in_a_commit_message_comes_back_the_same() -> None:
    for given in (header(), header(bug="https://bugs.example/1"), header(description="Mend it.")):
        assert parse_message(render_message("mend-a-thing", given), "x") == ("mend-a-thing", given)


def test_a_message_ends_in_the_name_and_the_fields_and_has_no_hashes() -> None:
    message = render_message("mend-a-thing", {**header(), **dict.fromkeys(HASHES, "0" * 64)})
    assert message == (
        "Mend a thing.\n\nIt was broken.\n\nA module cannot reach it.\n\n"
        "Patch: mend-a-thing\nReason: defect\nOrigin: vendor\nForwarded: no\nTouches: lend\n"
        "Tests: tests/test_lend.py::test_a,\n tests/test_lend.py::test_b\nLast-Update: 2026-11-20\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Reason: defect", "Reasons: defect", r"patch:5: unknown field Reasons"),
        ("Reason: defect\n", "", r"patch:13: the header ends without Reason"),
        ("Origin: vendor", "Reason: seam", r"patch:6: a second Reason"),
        ("Forwarded: no\n", "Forwarded: no\nReason: x\n", r"patch:8: a second Reason"),
        ("Origin: vendor\nForwarded: no", "Forwarded: no\nOrigin: vendor", r"patch:7: Origin out"),
        ("Reason: defect", "Reason: whim", r"Reason is none of defect, compatibility"),
        ("Touches: lend", "Touches:", r"Touches is empty"),
        ("Touches: lend", "Touches", r"patch:8: expected a field"),
        ("2026-11-20", "20.11.2026", r"Last-Update is no date"),
        ("Pre-SHA256: ", "Pre-SHA256: x", r"Pre-SHA256 is no SHA-256"),
        ("\n---\n", "\n", r"no line --- ends the header"),
        ("\n---\n", "\n---\r\n", r"patch:14: has a carriage return"),
        ("    thing = things.pop(0)\n", "", r"patch:16: adds 1 lines, and 0 follow"),
        ("pop(0)\n", "pop(0)\nafterword\n", r"patch:18: expected a<line>"),
        ("pop(0)\n", "pop(0)", r"the last line has no line feed"),
        ("It was", "#It was", r"starting with #"),
        ("broken.\n", "broken. \n", r"ends in a space"),
        (" .\n", " .\n .\n", r"divides no paragraphs"),
    ],
)
def test_a_fault_is_named(project: Project, old: str, new: str, message: str) -> None:
    file = project.file(NAME)
    text = file.read_text()
    assert old in text
    file.write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(UpstreamError, match=message) as caught:
        read_patch(file)
    assert str(caught.value).startswith(f"patches/{NAME}.patch")
    assert "\n" not in str(caught.value)


def test_a_patch_file_is_utf8(project: Project) -> None:
    project.file(NAME).write_bytes(b"Description: caf\xe9\n")
    with pytest.raises(UpstreamError, match="is not UTF-8"):
        read_patch(project.file(NAME))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("Mend it.", "must end in a paragraph of fields: Patch, Reason, Origin"),
        ("fixup! Mend it.\n\nwhy", "must end in a paragraph of fields"),
        (
            "Mend it.\n\nPatch: mend-it\nReason: seam",
            "lacks Origin, Forwarded, Touches, Tests, Last",
        ),
        ("Mend it.\n\nPatch: mend-it\nOops: x", "c: fields:2: unknown field Oops"),
    ],
)
def test_a_commit_message_without_the_fields_is_told_what_it_lacks(message: str, says: str) -> None:
    with pytest.raises(UpstreamError, match=says):
        parse_message(message, "c")


def test_a_patch_is_named_by_a_slug() -> None:
    with pytest.raises(UpstreamError, match="'0001_Fix' is no patch name"):
        parse_message(render_message("0001_Fix", header()), "c")


def test_a_patch_that_the_series_lacks_is_unused(project: Project) -> None:
    project.names.remove(NAME)
    project.write_series()
    _refuses(project, rf"patches/{NAME}.patch: unused patch")


def test_a_name_without_a_file_is_missing(project: Project) -> None:
    project.file(NAME).unlink()
    _refuses(project, rf"patches/series:4: missing patch: patches/{NAME}.patch")


def test_a_name_stands_once(project: Project) -> None:
    project.names.append(NAME)
    project.write_series()
    _refuses(project, rf"patches/series:6: {NAME}.patch is named twice")


def test_compatibility_patches_come_first(project: Project) -> None:
    project.patch("move-again", lambda text: text + "# end\n", reason="compatibility")
    _refuses(project, r"move-again.patch: Reason is compatibility, behind limit-from-outside")


def _refuses(project: Project, message: str) -> None:
    with pytest.raises(UpstreamError, match=message):
        read_series(project.tree.patches)


def test_the_fields_keep_the_order_that_they_are_written_in() -> None:
    mixed: Header = dict(reversed(list(header().items())))
    assert render_message("x", mixed) == render_message("x", header())
