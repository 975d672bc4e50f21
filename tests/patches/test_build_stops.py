"""What does not fit stops the build, with one line that says what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import upstream.backend as backend
from tests.patches.project import Project, sdist
from upstream.pin import write_pin

Damage = Callable[[Project], object]


def wrong_archive(project: Project) -> None:
    project.archive_file.write_bytes(sdist("1.0", "tampered = True\n"))


def missing_patch(project: Project) -> None:
    project.file("lend-the-oldest").unlink()


def unused_patch(project: Project) -> None:
    project.names.remove("lend-the-oldest")
    project.write_series()


def patch_edited_by_hand(project: Project) -> None:
    file = project.file("lend-the-oldest")
    file.write_text(file.read_text().replace("pop(0)", "pop(1)"))


def patch_that_changes_nothing(project: Project) -> None:
    project.patch("change-nothing", lambda text: text)


def another_result(project: Project) -> None:
    write_pin(project.tree.pin, {("result", "sha256"): "0" * 64})


DAMAGES: dict[Damage, str] = {
    wrong_archive: "madeup-1.0.tar.gz: expected sha256",
    missing_patch: "series:4: missing patch",
    unused_patch: "lend-the-oldest.patch: unused patch",
    patch_edited_by_hand: "lend-the-oldest.patch: Post-SHA256 is",
    patch_that_changes_nothing: "change-nothing.patch: changes nothing",
    another_result: "expected a result of sha256 000",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(
    "build",
    [
        backend.prepare_metadata_for_build_wheel,
        backend.build_wheel,
        backend.prepare_metadata_for_build_editable,
        backend.build_editable,
        backend.build_sdist,
    ],
    ids=lambda build: build.__name__,
)
def test_nothing_is_built(
    project: Project,
    damage: Damage,
    build: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend, "this_tree", lambda: project.tree)
    damage(project)
    with pytest.raises(SystemExit) as stopped:
        build(str(tmp_path / "out"))
    message = str(stopped.value.code)
    assert message.startswith("geventconnpool_gov cannot be built: ")
    assert DAMAGES[damage] in message
    assert "\n" not in message
    assert not project.tree.pool.exists()
    assert not (tmp_path / "out").exists()
