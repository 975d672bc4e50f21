"""Which tests are run in each environment, and what came of them?"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from matrix.combinations import Combination
from matrix.environment import CACHE, TREE, clean_variables

# Tests that would tell nothing about a gevent release, and why. `make test` runs them all.
LEFT_OUT = {
    "tests/patches": "builds, installs and releases: the same with every gevent",
    "tests/test_papers.py": "examples and commands of the papers",
    "tests/test_replaceable.py": "other pools, and the type checker",
    "tests/test_leaving_extensions_out.py": "the package, built without some patches",
    "tests/properties/test_mutations.py": "shows that these tests find faults that were put there",
    "tests/test_matrix.py": "this table",
    "tests/test_soak.py": "the pool for a while, beside a registry and a server that misbehave",
    "tests/epp/test_demo.py": "the demo",
    "tests/epp/test_django_example.py": "gunicorn, which chooses its own gevent",
}
LONGEST = 1800.0  # seconds

_PROVE = """
import gevent
print(gevent.Greenlet.__module__, type(gevent.get_hub().loop).__module__)
"""


@dataclass(frozen=True)
class Result:
    """What came of one combination: how many tests, the names of those that failed, and when."""

    passed: int
    skipped: int
    failures: tuple[str, ...]
    on: str  # a date

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{self.passed} passed{skipped}{failed}"


def run_suite(
    python: Path, combination: Combination, tests: Sequence[str] = (), output: Path | None = None
) -> Result:
    """Run the suite, or `tests` alone, with the interpreter `python` of an environment.

    Where tests failed, what pytest printed is written to the file `output`.
    """
    variables = {
        **clean_variables(),
        **dict(combination.kind.variables),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
    }
    proof = _run([str(python), "-c", _PROVE], variables)
    if proof.stdout.strip() != combination.kind.proof:
        said = (proof.stdout + proof.stderr).strip().splitlines()
        return _nothing(f"gevent does not run as {combination.kind.name}: {''.join(said[-1:])}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-o", "junit_family=xunit1", f"--junitxml={report}"]
        command += [*(f"--ignore={path}" for path in LEFT_OUT)]
        try:
            done = _run([*command, *tests], variables)
        except subprocess.TimeoutExpired:
            return _nothing(f"not over after {LONGEST:g} s")
        if not report.exists():
            return _nothing(f"pytest ended with status {done.returncode}: {done.stderr[-200:]}")
        result = read_report(report)
    if result.failures and output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(done.stdout)
    return result


def read_report(report: Path) -> Result:
    """Return what pytest wrote, as JUnit does."""
    passed, skipped, failures = 0, 0, []
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failures.append(f"{case.get('classname')}::{case.get('name')}".lstrip(":"))
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return Result(passed, skipped, tuple(dict.fromkeys(failures)), date.today().isoformat())


def _nothing(why: str) -> Result:
    return Result(0, 0, (" ".join(why.split()),), date.today().isoformat())


def _run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=TREE,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
