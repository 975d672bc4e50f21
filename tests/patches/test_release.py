"""A release that does not fit is not made; the rest of it is rehearsed by .ci/run."""

from __future__ import annotations

from pathlib import Path

import pytest

from upstream.errors import UpstreamError
from upstream.facts import facts
from upstream.pin import read_pin
from upstream.release import require_changelog, require_same, require_version
from upstream.tree import Tree


@pytest.fixture
def draft(tmp_path: Path) -> Tree:
    """A tree of version 1.2.3, ready for release."""
    (tmp_path / "geventconnpool_gov").mkdir()
    (tmp_path / "geventconnpool_gov" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-12-01)\n\n- New.\n")
    return Tree(tmp_path)


def test_setup_cfg_and_the_package_say_the_same_version(tree: Tree) -> None:
    require_version(tree, facts(tree, read_pin(tree.pin), [])["version"])


def test_another_version_in_the_package_is_refused(draft: Tree) -> None:
    require_version(draft, "1.2.3")
    with pytest.raises(UpstreamError, match=r"says version 1\.2\.4, .* says 1\.2\.3"):
        require_version(draft, "1.2.4")


def test_the_changelog_begins_with_the_version_and_its_date(draft: Tree) -> None:
    assert require_changelog(draft, "1.2.3", rehearsal=False) == "1.2.3 (2026-12-01)"
    with pytest.raises(UpstreamError, match="first section is not that of"):
        require_changelog(draft, "1.2.4", rehearsal=True)


def test_without_a_date_there_is_a_rehearsal_and_no_release(draft: Tree) -> None:
    (draft.root / "CHANGELOG.md").write_text("## 1.2.3 (unreleased)\n")
    require_changelog(draft, "1.2.3", rehearsal=True)
    with pytest.raises(UpstreamError, match="not its date"):
        require_changelog(draft, "1.2.3", rehearsal=False)


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / folder / "made.whl" for folder in ("first", "second")]
    for file in files:
        file.parent.mkdir()
        file.write_text(file.parent.name)
    with pytest.raises(UpstreamError, match=r"made\.whl: two builds of one commit gave other"):
        require_same(files[:1], files[1:])
    files[1].write_text("first")
    require_same(files[:1], files[1:])
