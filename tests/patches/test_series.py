"""The project's own series: what it says of itself is so."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.patches.environment import run
from tests.patches.test_checkout_export import content
from upstream.__main__ import main
from upstream.archive import Archive
from upstream.check import check
from upstream.patch import Patch
from upstream.pin import read_pin, sha256
from upstream.rcs import matcher
from upstream.series import read_series, states
from upstream.tree import Tree

MOST_STATEMENTS = 20


def test_everything_fits_together(tree: Tree) -> None:
    assert sha256(check(tree).pool) == read_pin(tree.pin).result


def test_checkout_and_export_give_every_file_back(tree: Tree, tmp_path: Path) -> None:
    assert main(["checkout", str(tmp_path / "work")]) == 0
    assert main(["export", str(tmp_path / "work"), "--patches", str(tmp_path / "patches")]) == 0
    before = content(tree)
    for file in (tmp_path / "patches").glob("*.patch"):
        assert file.read_bytes() == before.pop(file.name)
    assert [name for name in before if name.endswith(".patch")] == []


def test_the_compatibility_patches_alone_are_python(tree: Tree, tmp_path: Path) -> None:
    assert main(["apply", "--compatibility", "-o", str(tmp_path / "pool.py")]) == 0
    ast.parse((tmp_path / "pool.py").read_text())


def test_every_description_is_a_sentence_with_its_reasons(tree: Tree) -> None:
    for patch in read_series(tree.patches):
        sentence, _, reasons = patch.header["Description"].partition("\n")
        assert sentence.endswith("."), patch.file
        assert reasons, patch.file


def test_every_test_that_a_patch_names_is_there(tree: Tree) -> None:
    for patch in read_series(tree.patches):
        for test in patch.header["Tests"].replace("\n", " ").split(","):
            file, _, name = test.strip().partition("::")
            assert (tree.root / file).exists(), f"{patch.file}: {test}"
            for part in filter(None, name.partition("[")[0].split("::")):
                assert f" {part}" in (tree.root / file).read_text(), f"{patch.file}: {test}"


def test_everything_that_a_patch_touches_is_there(tree: Tree, archive: Archive) -> None:
    for patch, before, after in _states(tree, archive):
        there = {"imports", *named_in(before), *named_in(after)}
        named = {name.strip() for name in patch.header["Touches"].replace("\n", " ").split(",")}
        assert named <= there, patch.file


def test_patches_stay_small(tree: Tree, archive: Archive) -> None:
    for patch, before, after in _states(tree, archive):
        assert added_statements(before, after) <= MOST_STATEMENTS, patch.file


def test_the_awk_in_the_manual_does_what_the_tool_does(
    tree: Tree, archive: Archive, tmp_path: Path
) -> None:
    manual = tree.root / "MAINTAINING.md"
    if not manual.exists():
        pytest.skip("MAINTAINING.md is not there")
    _, fence, rest = manual.read_text().partition("```awk\n")
    assert fence, "MAINTAINING.md has no block ```awk"
    program = tmp_path / "apply.awk"
    program.write_text(rest.partition("```")[0])
    interpreters = [name for name in ("awk", "mawk", "gawk") if shutil.which(name)]
    assert interpreters
    for patch, before, after in _states(tree, archive):
        (tmp_path / "pool.py").write_text(before)
        for awk in interpreters:
            done = run(awk, "-f", program, tree.root / patch.file, tmp_path / "pool.py")
            assert done.stdout == after, f"{awk}: {patch.file}"


def added_statements(before: str, after: str) -> int:
    """Return how many statements begin in added lines; imports and docstrings are none."""
    added: set[int] = set()
    for kind, _, _, start, stop in matcher(before.split("\n"), after.split("\n")).get_opcodes():
        if kind != "equal":
            added.update(range(start + 1, stop + 1))
    statements = [node for node in ast.walk(ast.parse(after)) if isinstance(node, ast.stmt)]
    return len({node.lineno for node in statements if not _is_free(node)} & added)


def _is_free(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, (ast.Import, ast.ImportFrom))


def named_in(text: str) -> set[str]:
    """Return the names that a module uses, and those of its functions, classes and methods."""
    tree = ast.parse(text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                names.add(prefix + child.name)
                visit(child, f"{prefix}{child.name}.")
            for target in ast.walk(child) if isinstance(child, (ast.Assign, ast.AnnAssign)) else ():
                if isinstance(target, ast.Name):
                    names.add(prefix + target.id)

    visit(tree, "")
    return names


def _states(tree: Tree, archive: Archive) -> list[tuple[Patch, str, str]]:
    base = archive.member(read_pin(tree.pin).pool)
    return list(states(read_series(tree.patches), base))
