"""Every command and every example in the papers runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a test cannot run inside itself, and the file in which it is run.
ELSEWHERE = {
    "make test": ".ci/run",
    "make demo": ".ci/run",
    "pip install .": "tests/patches/test_installs.py",
    "python -m geventconnpool_gov audit": "tests/patches/test_audit.py",
    "python -m geventconnpool_gov audit --rebuild --source geventconnpool_gov-VERSION.tar.gz": (
        "tests/patches/test_audit.py"
    ),
    "PYTHONPATH=geventconnpool_gov-VERSION-py3-none-any.whl"
    " python -S -m geventconnpool_gov audit --path DIR": "tests/patches/test_audit.py",
}


def blocks(paper: str, language: str) -> list[str]:
    found = BLOCK.findall((ROOT / paper).read_text())
    return [text for kind, text in found if kind == language]


PAPERS = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
EXAMPLES = [(paper, n) for paper in PAPERS for n in range(len(blocks(paper, "python")))]


@pytest.mark.parametrize(("paper", "number"), EXAMPLES)
def test_each_example_runs(paper, number, tmp_path):
    example = blocks(paper, "python")[number]
    command = [sys.executable, "-W", "error", "-c", example]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the tree as git would clone it, in which commands may write."""
    top = tmp_path_factory.mktemp("papers") / "checkout"
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes((ROOT / name).read_bytes())
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=top, check=True)
    return top


def run(script: str, top: Path) -> None:
    identity = {f"GIT_{who}_{what}": "papers@example.org" for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")}  # fmt: skip
    path = f"{top / '.venv/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    outside = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=top,
        env={**outside, **identity, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@pytest.mark.xdist_group("papers")
def test_every_command_of_maintaining_runs_in_order(checkout):
    (checkout.parent / "apply.awk").write_text(blocks("MAINTAINING.md", "awk")[0])
    before = {path.name: path.read_text() for path in (checkout / "patches").iterdir()}
    for script in blocks("MAINTAINING.md", "sh"):
        run(script, checkout)
    after = {path.name: path.read_text() for path in (checkout / "patches").iterdir()}
    assert after == before  # the patch of the example came and went


@pytest.mark.xdist_group("papers")
@pytest.mark.parametrize("paper", PAPERS)
def test_every_command_runs_here_or_where_it_is_said(paper, checkout):
    for script in blocks(paper, "sh"):
        for line in script.splitlines():
            if line in ELSEWHERE:
                assert line.split()[0].partition("=")[0] in (ROOT / ELSEWHERE[line]).read_text()
            else:
                run(line, checkout)


def test_the_table_of_differences_names_every_patch_that_makes_one():
    table = (ROOT / "README.md").read_text()
    for patch in (ROOT / "patches").glob("*.patch"):
        header = patch.read_text().split("\n---\n")[0]
        if "\nReason: seam\n" not in header:
            assert patch.stem in table, patch.stem


def test_every_setting_is_in_the_readme():
    import inspect

    from geventconnpool_gov import ConnectionPool

    readme = (ROOT / "README.md").read_text()
    for name, parameter in inspect.signature(ConnectionPool.__init__).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            shown = repr(parameter.default)
            assert re.search(rf"^    {name}=", readme, re.MULTILINE), f"{name}={shown}"
