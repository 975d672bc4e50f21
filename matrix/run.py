"""In which order are combinations run, and which need not be run again?

As many at a time as there are cores, on a copy of the tree, so that a maintainer can go on with
the work meanwhile. What has passed is kept under .cache/ with a digest of the
package and its tests, and holds until one of these changes: a run that was broken off goes on
where it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from time import monotonic

from matrix.combinations import Combination
from matrix.environment import CACHE, ROOT, TREE, LeftOutError, NoWheelError, environment
from matrix.suite import LEFT_OUT, Result, run_suite

_BUILT = ("geventconnpool_gov/pool.py",)
_TESTED = ("geventconnpool_gov", "geventconnpool.py", "patches", "tests", "setup.cfg")


class UnderWayError(Exception):
    """Another run works on the copy of the tree."""


@dataclass(frozen=True)
class Outcome:
    """What became of one combination: a result, or why there is none."""

    combination: Combination
    result: Result | None = None
    no_wheel: bool = False
    left_out: str = ""
    output: str = ""  # the file that says how tests failed

    @property
    def failed(self) -> bool:
        """Whether a test failed, and not by a known fault of gevent's."""
        return self.result is not None and bool(self.result.failures) and not self.combination.fault

    def __str__(self) -> str:
        if self.no_wheel:
            return f"{self.combination}: no wheel"
        if self.result is None:
            return f"{self.combination}: LEFT OUT: {self.left_out}"
        failures = "".join(f"\n    failed: {name}" for name in self.result.failures)
        how = f"\n    how: {self.output}" if self.output else ""
        return f"{self.combination}: {self.result}{failures}{how}"


def run_all(
    combinations: Sequence[Combination],
    tell: Callable[[str], object],
    *,
    jobs: int | None = None,
    tests: Sequence[str] = (),
) -> list[Outcome]:
    """Run all, `jobs` at a time, and `tell` of each as it ends; return them in their order.

    Raises:
        UnderWayError: another run has the copy of the tree.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnderWayError(f"{lock.name}: another run is under way") from None
        copy_of_the_tree()
        return _run_all(combinations, tell, jobs, tests)


def _run_all(
    combinations: Sequence[Combination],
    tell: Callable[[str], object],
    jobs: int | None,
    tests: Sequence[str],
) -> list[Outcome]:
    digest = digest_of_the_tree(tests)

    def run(combination: Combination) -> Outcome:
        began = monotonic()
        outcome = _run_one(combination, digest, tests)
        tell(f"{outcome}, {monotonic() - began:.0f} s")
        return outcome

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as workers:
        return list(workers.map(run, combinations))


def copy_of_the_tree() -> None:
    """Make TREE what the tree is now, the built module with it."""
    shutil.rmtree(TREE, ignore_errors=True)
    for name in [*_files("."), *_BUILT]:
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)


def digest_of_the_tree(tests: Sequence[str] = ()) -> str:
    """Return a digest of what decides the result: the package, and the tests that are run."""
    digest = hashlib.sha256(repr(list(tests)).encode())
    for name in _files(*_TESTED):
        if not name.startswith(tuple(LEFT_OUT)):
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def _files(*below: str) -> list[str]:
    """Return what git has, or would take, of these."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *below)
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return sorted(name for name in names.split("\0") if (ROOT / name).is_file())


def _run_one(combination: Combination, digest: str, tests: Sequence[str]) -> Outcome:
    python, kind = combination.python.full, combination.kind.name.replace(" ", "-")
    name = f"{python}-{combination.gevent}-{kind}"
    kept, output = CACHE / "passed" / digest / f"{name}.json", CACHE / "failed" / f"{name}.txt"
    output.unlink(missing_ok=True)
    if kept.exists():
        values = json.loads(kept.read_text())
        return Outcome(combination, Result(**{**values, "failures": ()}))
    try:
        result = run_suite(environment(combination), combination, tests, output)
    except NoWheelError:
        return Outcome(combination, no_wheel=True)
    except LeftOutError as reason:
        return Outcome(combination, left_out=str(reason))
    if not result.failures:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(result)))
    how = str(output) if output.exists() else ""
    return Outcome(combination, result, output=how)
