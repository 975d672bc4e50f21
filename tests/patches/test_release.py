"""A release that does not fit is not made; the rest of it is rehearsed by .ci/run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.patches.project import Project
from tests.patches.test_checkout_export import git
from upstream.errors import UpstreamError
from upstream.facts import facts
from upstream.pin import read_pin
from upstream.release import release, require_same, require_version
from upstream.tree import Tree


@pytest.fixture
def draft(project: Project) -> Tree:
    """A repository of version 1.2.3, ready for release but for its bill of materials."""
    files = {
        "setup.cfg": "[metadata]\nname = ours\nversion = 1.2.3\nlicense = MIT\n",
        "geventconnpool_gov/__init__.py": '__version__ = "1.2.3"\n',
        "CHANGELOG.md": "# Changelog\n\n## 1.2.3 (2026-12-01)\n\n- New.\n",
    }
    for name, text in files.items():
        (project.root / name).write_text(text)
    git(project.root, "init", "--quiet", "--template=")
    commit(project.tree)
    return project.tree


def commit(tree: Tree) -> None:
    git(tree.root, "add", "--all")
    git(tree.root, "commit", "--quiet", "--message=A step.")


def edit(tree: Tree, name: str, old: str, new: str) -> None:
    """Change a file, and commit it."""
    file = tree.root / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    commit(tree)


def refused(tree: Tree, *, rehearsal: bool = False) -> str:
    """Return why there is no release."""
    with pytest.raises(UpstreamError) as caught:
        list(release(tree, rehearsal=rehearsal))
    return str(caught.value)


def passed(tree: Tree, *, rehearsal: bool = False) -> list[str]:
    """Return what held of version, changelog and commit; the bill of materials comes next."""
    steps = release(tree, rehearsal=rehearsal)
    lines = [next(steps) for _ in range(3)]
    with pytest.raises(UpstreamError, match=r"sbom\.cdx\.json: cannot be read"):
        next(steps)
    return lines


def test_setup_cfg_and_the_package_say_the_same_version(tree: Tree) -> None:
    require_version(tree, facts(tree, read_pin(tree.pin), [])["version"])


@pytest.mark.parametrize("rehearsal", [False, True])
def test_what_fits_passes(draft: Tree, rehearsal: bool) -> None:
    assert passed(draft, rehearsal=rehearsal) == [
        "version: 1.2.3, in setup.cfg and in the package",
        "changelog: 1.2.3 (2026-12-01)",
        f"commit: {git(draft.root, 'rev-parse', 'HEAD').strip()}",
    ]


@pytest.mark.parametrize("rehearsal", [False, True])
def test_another_version_in_the_package_is_refused(draft: Tree, rehearsal: bool) -> None:
    edit(draft, "setup.cfg", "1.2.3", "1.2.4")
    said = refused(draft, rehearsal=rehearsal)
    assert said.startswith("setup.cfg says version 1.2.4, ")
    assert said.endswith("__init__.py says 1.2.3")


@pytest.mark.parametrize("rehearsal", [False, True])
def test_another_version_at_the_top_of_the_changelog_is_refused(
    draft: Tree, rehearsal: bool
) -> None:
    edit(draft, "CHANGELOG.md", "## ", "## 1.2.4 (unreleased)\n\n## ")
    assert "the first section is not that of 1.2.3" in refused(draft, rehearsal=rehearsal)


@pytest.mark.parametrize("said", ["unreleased", "1 December 2026", "2026-13-01"])
def test_without_a_date_there_is_a_rehearsal_and_no_release(draft: Tree, said: str) -> None:
    edit(draft, "CHANGELOG.md", "2026-12-01", said)
    assert f"changelog: 1.2.3 ({said})" in passed(draft, rehearsal=True)
    assert f"1.2.3 has ({said}), not its date" in refused(draft)


def test_what_is_in_no_commit_is_rehearsed_without_and_not_released(draft: Tree) -> None:
    (draft.root / "new.py").touch()
    (draft.root / "CHANGELOG.md").write_text("## 1.2.3 (2026-12-02)\n")
    assert refused(draft) == ("the tree has changes that are in no commit: CHANGELOG.md, new.py")
    *_, line = passed(draft, rehearsal=True)
    assert line.endswith(", without the changes of CHANGELOG.md, new.py")


@pytest.mark.parametrize("name", ["new.py", "CHANGELOG.md"])
def test_either_kind_of_change_is_enough(draft: Tree, name: str) -> None:
    with (draft.root / name).open("a") as file:
        file.write("\n")
    assert refused(draft).endswith(f"in no commit: {name}")


def test_what_git_ignores_is_no_change(draft: Tree) -> None:
    (draft.root / ".gitignore").write_text("/dist/\n")
    commit(draft)
    (draft.root / "dist").mkdir()
    (draft.root / "dist" / "made.whl").touch()
    passed(draft)


@pytest.mark.parametrize("kind", [(), ("--annotate", "--message=1.2.3")])
def test_the_tag_may_be_there_if_it_is_this_commits(draft: Tree, kind: tuple[str, ...]) -> None:
    git(draft.root, "tag", *kind, "v1.2.3")
    passed(draft)
    edit(draft, "CHANGELOG.md", "New", "Newer")
    assert refused(draft) == "v1.2.3 is the tag of another commit: this needs a new version"
    assert refused(draft, rehearsal=True) == refused(draft)


def test_the_tag_of_another_version_may_be_anywhere(draft: Tree) -> None:
    git(draft.root, "tag", "v1.2.2")
    edit(draft, "CHANGELOG.md", "New", "Newer")
    passed(draft)


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / folder / "made.whl" for folder in ("first", "second")]
    for file in files:
        file.parent.mkdir()
        file.write_text(file.parent.name)
    with pytest.raises(UpstreamError, match=r"made\.whl: two builds of one commit gave other"):
        require_same(files[:1], files[1:])
    files[1].write_text("first")
    require_same(files[:1], files[1:])
