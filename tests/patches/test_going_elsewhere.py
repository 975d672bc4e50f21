"""Each way out that MAINTAINING.md names is walked here, in its own words, by an application."""

from __future__ import annotations

import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from geventconnpool_gov.testing.conformance import PROMISES
from tests.patches.environment import Environment
from tests.patches.manual import copy_of, follow, steps
from tests.patches.test_drills import USE
from upstream.tree import Tree

TREE = (
    *("upstream", "patches", "geventconnpool_gov", "geventconnpool.py", "docs"),
    *("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"),
)
THE_FORK = "from geventconnpool_gov import __version__; print(__version__)"


@dataclass(frozen=True)
class Deployment:
    """An application beside a checkout of the fork, with the fork installed for it."""

    checkout: Tree
    environment: Environment
    application: Path

    def follow(self, script: str, earlier: str = "") -> str:
        """Run a block of the manual where this application is deployed."""
        return follow(
            script,
            self.checkout,
            first=self.environment.python.parent,
            APPLICATION=self.application,
            PIP_PYTHON=self.environment.python,
            PIP_NO_BUILD_ISOLATION="0",  # 0 says no to isolation: setuptools is there already
            EARLIER=earlier,
        )

    def runs(self, program: str) -> str:
        """Run a program of the application, and return what it prints."""
        done = subprocess.run(
            [self.environment.python, "-c", program],
            cwd=self.application,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


@pytest.fixture
def deployment(tree: Tree, tmp_path: Path) -> Deployment:
    """A deployed application, whose tests have what ours have but the fork."""
    environment = Environment.make(tmp_path / "environment")
    (site,) = environment.folder.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (tmp_path / "application").mkdir()
    checkout = copy_of(tree, tmp_path / "checkout", *TREE)
    made = Deployment(checkout, environment, tmp_path / "application")
    made.follow("git init --quiet && git add --all && git commit --quiet --message=release")
    made.follow("pip install --quiet --no-deps .")
    return made


def test_back_to_an_earlier_release(deployment: Deployment) -> None:
    earlier = deployment.runs(THE_FORK)
    for file in ("setup.cfg", "geventconnpool_gov/__init__.py"):
        path = deployment.checkout.root / file
        path.write_text(path.read_text().replace(earlier, "99.0"))
    deployment.follow("python -m upstream sbom")
    deployment.follow("git tag earlier && git commit --quiet --all --message=next")
    deployment.follow("pip install --quiet --no-deps .")
    assert deployment.runs(THE_FORK) == "99.0"
    (step,) = steps("An earlier release")
    deployment.follow(step, earlier="earlier")
    assert deployment.runs(THE_FORK) == earlier
    deployment.runs(USE.format(module="geventconnpool_gov"))
    assert not (deployment.checkout.root.parent / "earlier").exists()


def test_back_to_upstream_with_the_compatibility_patches_alone(deployment: Deployment) -> None:
    application = USE.format(module="geventconnpool")
    deployment.runs(application)
    (step,) = steps("Upstream, with the compatibility patches alone")
    deployment.follow(step)
    deployment.runs(application)
    where = deployment.runs("import geventconnpool; print(geventconnpool.__file__)")
    assert Path(where) == deployment.application / "geventconnpool.py"
    assert not list(deployment.environment.folder.glob("lib/*/site-packages/geventconnpool*"))


def test_over_to_a_pool_of_ones_own(deployment: Deployment) -> None:
    copy_and_ask, uninstall = steps("A pool of your own")
    assert f"{len(PROMISES)} passed" in deployment.follow(copy_and_ask)
    deployment.follow(uninstall)
    deployment.runs(
        "from gevent import monkey; monkey.patch_all()\n"
        "from queue_pool import QueuePool\n"
        "with QueuePool(lambda: open('queue_pool.py'), 2).get() as connection:\n"
        "    assert connection.readline()\n"
    )
    installed = [name.name for name in deployment.environment.folder.glob("lib/*/site-packages/*")]
    assert not [name for name in installed if name.startswith("geventconnpool")]


def test_the_table_of_signs_names_every_way_that_has_a_section(tree: Tree) -> None:
    manual = (tree.root / "MAINTAINING.md").read_text("utf-8")
    section = manual.partition(" Going back, or elsewhere\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.split("\n") if line.startswith("|")][2:]
    headings = {line[4:].lower() for line in section.split("\n") if line.startswith("### ")}
    assert {row[2].strip().removeprefix("an ").removeprefix("a ") for row in rows} == {
        heading.removeprefix("an ").removeprefix("a ") for heading in headings
    }
