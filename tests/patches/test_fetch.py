"""The archive comes from where it should, and counts only when its hash is the pin's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.patches.project import BASE, Project, sdist
from upstream.archive import Archive, fetch
from upstream.errors import UpstreamError
from upstream.index import download
from upstream.pin import Pin, read_pin
from upstream.tree import Tree


@pytest.fixture
def pin(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Return the made-up pin; caches and indexes of this machine are out of reach."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return read_pin(project.tree.pin)


def test_the_variable_goes_before_the_archive_beside_the_pin(
    pin: Pin, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = project.archive_file.rename(tmp_path / "named.tar.gz")
    project.archive_file.write_bytes(b"another")
    monkeypatch.setenv("GEVENTCONNPOOL_SDIST", str(named))
    assert fetch(pin).origin == str(named)


def test_the_archive_beside_the_pin_goes_before_the_index(pin: Pin, project: Project) -> None:
    assert fetch(pin).origin == str(project.archive_file)


def test_the_index_is_asked_once_and_its_archive_kept(
    pin: Pin, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "index").mkdir()
    on_index = project.archive_file.rename(tmp_path / "index" / pin.archive)
    kept = tmp_path / "cache" / "geventconnpool_gov" / pin.archive
    assert fetch(pin).origin == f"the package index, kept as {kept}"
    on_index.unlink()
    assert fetch(pin).origin == str(kept)


def test_a_spoiled_cache_is_replaced(pin: Pin, project: Project, tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "geventconnpool_gov" / pin.archive
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"spoiled")
    (tmp_path / "index").mkdir()
    project.archive_file.rename(tmp_path / "index" / pin.archive)
    assert fetch(pin).origin.startswith("the package index")
    assert fetch(pin).origin == str(kept)


def test_setup_py_is_not_run(pin: Pin, project: Project, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    content = project.archive_file.read_bytes()
    assert project.archive.read("setup.py") == b"raise SystemExit(9)\n"
    (tmp_path / "index" / pin.archive).write_bytes(content)
    assert download(pin) == content


def test_pip_refuses_another_file_of_that_name(pin: Pin, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / pin.archive).write_bytes(sdist("1.0", f"{BASE}# tampered\n"))
    with pytest.raises(UpstreamError, match=rf"DO NOT MATCH THE HASHES.* {pin.sha256}") as caught:
        download(pin)
    assert "\n" not in str(caught.value)


def test_no_source_at_all_says_what_to_do(pin: Pin, project: Project) -> None:
    project.archive_file.unlink()
    with pytest.raises(UpstreamError, match=r"No matching .* set GEVENTCONNPOOL_SDIST to a copy"):
        fetch(pin)


@pytest.mark.parametrize("variable", [True, False])
def test_another_hash_names_file_and_both_hashes(
    pin: Pin, project: Project, variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv("GEVENTCONNPOOL_SDIST", str(project.archive_file))
    project.archive_file.write_bytes(b"another")
    says = rf"{project.archive_file}: expected sha256 {pin.sha256}, got [0-9a-f]{{64}}; "
    with pytest.raises(UpstreamError, match=says):
        fetch(pin)


def test_a_file_that_is_not_there_is_named(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEVENTCONNPOOL_SDIST", "/nowhere/at-all.tar.gz")
    with pytest.raises(
        UpstreamError, match=r"/nowhere/at-all.tar.gz: cannot be read: No such file"
    ):
        fetch(pin)


def test_a_member_counts_only_with_its_own_hash(pin: Pin) -> None:
    changed = Archive(sdist("1.0", f"{BASE}# more\n"), "here")
    with pytest.raises(UpstreamError, match=r"here: member src/madeup/pool.py: expected sha256"):
        changed.member(pin.pool)


def test_a_pin_with_a_hash_that_is_none_is_refused(project: Project) -> None:
    file = project.tree.pin
    file.write_text(file.read_text().replace("sha256 = ", "sha256 = x", 1))
    with pytest.raises(UpstreamError, match="is no SHA-256"):
        read_pin(file)


def test_the_real_archive_comes_from_the_package_index(
    tree: Tree, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "GEVENTCONNPOOL_SDIST"):
        monkeypatch.delenv(name, raising=False)
    assert download(read_pin(tree.pin)) == archive.content
