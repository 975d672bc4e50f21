"""MAINTAINING.md as a stranger follows it: the blocks of a section, run in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from upstream.tree import Tree, this_tree

_BLOCK = re.compile(r"^( *)```bash\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_IDENTITY = {
    f"GIT_{role}_{key}": "a@example.invalid"
    for role in ("AUTHOR", "COMMITTER")
    for key in ("NAME", "EMAIL")
}


def steps(heading: str) -> list[str]:
    """Return the blocks under a heading, up to the next one, in their order."""
    manual = (this_tree().root / "MAINTAINING.md").read_text("utf-8")
    section = re.split(rf"^#+ {re.escape(heading)}$", manual, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ [A-Z0-9]", section.replace("\n# ", "\n#"), flags=re.MULTILINE)[0]
    return [textwrap.dedent(text) for _, text in _BLOCK.findall(section)]


def follow(
    script: str,
    tree: Tree,
    *,
    fails: bool | None = False,
    first: Path | None = None,
    **names: object,
) -> str:
    """Run a block at the top of `tree`, with `names` as its variables; return what it prints.

    `fails` is None where either end is right. Programs are looked for in the folder `first`, then
    beside this interpreter.
    """
    path = [str(first)] if first else []
    path += [str(Path(sys.executable).parent), os.environ["PATH"]]
    clean = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tree.root,
        env={
            **clean,
            **_IDENTITY,
            "PATH": os.pathsep.join(path),
            **{name: str(value) for name, value in names.items()},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert fails is None or bool(done.returncode) is fails, f"{script}\n{said}"
    return said


def copy_of(tree: Tree, root: Path, *parts: str) -> Tree:
    """Return a tree at `root` that has copies of `parts` of another."""
    root.mkdir(parents=True)
    for part in parts:
        source = tree.root / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    return Tree(root)
