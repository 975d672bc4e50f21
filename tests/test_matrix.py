"""The table of gevent releases says what was run, and names what failed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix import environment as environments
from matrix import run as runs
from matrix import suite as suites
from matrix.__main__ import main, supported_releases
from matrix.combinations import COMPILED, LIBUV, PURE, Combination, corners, everything
from matrix.environment import LeftOutError, NoWheelError, clean_variables, environment
from matrix.page import page_of, read, write
from matrix.pythons import OLDEST, Python, ask, standing_here
from matrix.run import Outcome, digest_of_the_tree, run_all
from matrix.suite import LEFT_OUT, Result, run_suite

HERE = Python(sys.version_info[:3], sys.executable)
OLD, NEW = Python((3, 10, 4), "/old"), Python((3, 13, 1), "/new")
GEVENT = metadata.version("gevent")
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (environments, runs):
        monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(runs, "TREE", tmp_path / "tree")
    for module in (environments, suites):
        monkeypatch.setattr(module, "TREE", ROOT)


def suite_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "test_of_it.py"
    path.write_text(text)
    return str(path)


def test_the_python_that_asks_is_found() -> None:
    assert HERE.minor in {python.minor for python in standing_here()}


@pytest.mark.parametrize(
    "said",
    ["exit 127", "echo nonsense", """echo '["PyPy", true, [3, 11, 7]]'""", "echo '[]'"]
    + [f"""echo '["CPython", {final}, [3, {minor}, 0]]'""" for final, minor in [("false", 15)]]
    + [f"""echo '["CPython", true, [3, {OLDEST[1] - 1}, 19]]'"""],
)
def test_what_is_no_python_of_ours_is_left_alone(tmp_path: Path, said: str) -> None:
    shim = tmp_path / "python3.11"
    shim.write_text(f"#!/bin/sh\n{said}\n")
    shim.chmod(0o755)
    assert ask(str(shim)) is None


@pytest.mark.parametrize("choose", [everything, corners])
def test_nothing_is_run_twice(choose: Callable[..., list[Combination]]) -> None:
    for releases in ("321", "1"):
        for pythons in ([OLD, HERE, NEW], [HERE]):
            chosen = choose(list(releases), pythons)
            assert len(set(chosen)) == len(chosen) > 0


def test_every_gevent_meets_every_python() -> None:
    chosen = everything(["3", "2", "1"], [OLD, NEW])
    compiled = {(each.gevent, each.python) for each in chosen if each.kind is COMPILED}
    assert compiled == {(gevent, python) for gevent in "123" for python in (OLD, NEW)}


def test_pure_python_and_libuv_are_run_at_both_ends() -> None:
    for kind in (PURE, LIBUV):
        places = {
            (each.gevent, each.python)
            for each in everything(["2", "1"], [OLD, NEW])
            if each.kind is kind
        }
        assert places >= {("2", NEW), ("1", OLD)}


def test_the_corners_are_oldest_between_and_newest() -> None:
    compiled = [
        str(each) for each in corners(["3", "2", "1"], [OLD, HERE, NEW]) if not each.kind.variables
    ]
    assert compiled == [
        "gevent 1 on CPython 3.10",
        "gevent 3 on CPython 3.13",
        f"gevent 2 on CPython {HERE.minor}",
    ]


def test_corners_fit_on_a_machine_with_one_python() -> None:
    assert {each.python for each in corners(["1"], [HERE])} == {HERE}


def test_one_gevent_on_one_python_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[Combination] = []
    monkeypatch.setattr("matrix.__main__.run_all", lambda each, *_, **__: chosen.extend(each) or [])
    monkeypatch.setattr("matrix.__main__.standing_here", lambda: [OLD, NEW])
    assert main(["--gevent", "27.1rc1", "--python", "3.13"]) == 0
    assert {(each.gevent, each.python) for each in chosen} == {("27.1rc1", NEW)}
    with pytest.raises(SystemExit):
        main(["--python", "3.9"])


def test_an_environment_has_the_gevent_that_was_asked_for() -> None:
    combination = Combination(GEVENT, HERE)
    python = environment(combination)
    stamp = python.parent.parent / "made-of"
    made = stamp.stat().st_mtime_ns
    result = run_suite(python, combination, ["tests/test_ledger.py"])
    assert result.passed > 10
    assert not result.failures
    environment(combination)
    assert stamp.stat().st_mtime_ns == made


def test_a_release_without_a_wheel_for_this_python_is_told_from_an_error() -> None:
    with pytest.raises(NoWheelError):
        environment(Combination("1.0.2", HERE))
    with pytest.raises(LeftOutError, match=r"0\.0\.1"):
        environment(Combination("0.0.1", HERE))


@pytest.mark.parametrize("kind", [COMPILED, PURE, LIBUV])
def test_a_kind_that_gevent_does_not_run_as_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, kind: object
) -> None:
    combination = Combination(GEVENT, HERE, kind)
    assert not run_suite(Path(sys.executable), combination, ["tests/test_fairness.py"]).failures
    unheard = type(kind)(kind.name, (), kind.proof.replace("gevent.", "other."))
    (said,) = run_suite(Path(sys.executable), Combination(GEVENT, HERE, unheard)).failures
    assert said.startswith(f"gevent does not run as {kind.name}: gevent.")


def test_failures_and_errors_are_named_and_skips_counted(tmp_path: Path) -> None:
    tests = suite_file(
        tmp_path,
        "import pytest\n"
        "@pytest.fixture\ndef broken(): raise OSError\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "def test_error(broken): pass\n"
        "def test_left(): pytest.skip('why')\n",
    )
    how = tmp_path / "failed" / "how.txt"
    result = run_suite(Path(sys.executable), Combination(GEVENT, HERE), [tests], how)
    assert "test_bad(): assert False" in how.read_text()
    assert (result.passed, result.skipped) == (1, 1)
    assert [name.rpartition("::")[2] for name in result.failures] == ["test_bad", "test_error"]
    assert str(result) == "1 passed, 1 skipped, 2 failed"


def test_a_suite_that_cannot_begin_is_a_failure(tmp_path: Path) -> None:
    tests = suite_file(tmp_path, "import nothing_of_this_name\n")
    assert run_suite(Path(sys.executable), Combination(GEVENT, HERE), [tests]).failures
    (said,) = run_suite(
        Path(sys.executable), Combination(GEVENT, HERE), ["--no-such-option"]
    ).failures
    assert "no-such-option" in said


def test_what_passed_is_not_run_again_and_what_failed_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "environment", lambda combination: Path(sys.executable))
    count = tmp_path / "count"
    tests = [
        suite_file(
            tmp_path,
            f"from pathlib import Path\ncount = Path({str(count)!r})\n"
            "def test_it():\n    count.open('a').write('x')\n    assert count.stat().st_size > 1\n",
        )
    ]
    failed, passed, kept = (
        run_all([Combination(GEVENT, HERE)], lambda _: None, tests=tests)[0] for _ in range(3)
    )
    assert [failed.failed, passed.failed, kept.failed] == [True, False, False]
    assert kept == passed
    assert [bool(outcome.output) for outcome in (failed, passed)] == [True, False]
    assert count.read_text() == "xx"


def test_a_tree_that_changes_during_the_run_is_tested_as_it_was(tmp_path: Path) -> None:
    run_all([], lambda _: None)
    for name in ("setup.cfg", "tests/test_matrix.py", "geventconnpool_gov/pool.py"):
        assert (tmp_path / "tree" / name).read_bytes() == (ROOT / name).read_bytes()
    assert not (tmp_path / "tree" / ".git").exists()


def test_a_second_run_leaves_the_copy_of_the_first_one_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner: list[int] = []
    run_all([Combination("0.0.1", HERE)], lambda _: inner.append(main(["--corners"])))
    assert inner == [1]
    assert "another run is under way" in capsys.readouterr().out


def test_a_result_holds_until_the_package_or_a_test_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    runs.subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "tests").mkdir()
    digests = []
    for name in ("tests/test_a.py", "setup.cfg", "README.md", next(iter(LEFT_OUT)) + "/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("changed")
        digests.append(digest_of_the_tree())
    assert digest_of_the_tree([]) == digests[-1]
    assert len(set(digests)) == 2
    assert digests[1:] == digests[1:2] * 3


def test_what_cannot_be_had_is_told_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def environment(combination: Combination) -> Path:
        if combination.gevent == "1":
            raise NoWheelError
        raise LeftOutError("the index sleeps")

    monkeypatch.setattr(runs, "environment", environment)
    said: list[str] = []
    outcomes = run_all([Combination("1", OLD), Combination("2", NEW)], said.append, jobs=1)
    assert not any(outcome.failed for outcome in outcomes)
    assert said[0].startswith("gevent 1 on CPython 3.10: no wheel, ")
    assert said[1].startswith("gevent 2 on CPython 3.13: LEFT OUT: the index sleeps, ")


def test_the_whole_run_does_not_pass_with_something_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def sleeps(combination: Combination) -> Path:
        raise LeftOutError("the index sleeps")

    monkeypatch.setattr(runs, "environment", sleeps)
    monkeypatch.setattr("matrix.__main__.supported_releases", lambda: ["2", "1"])
    monkeypatch.setattr("matrix.__main__.standing_here", lambda: [OLD, NEW])
    monkeypatch.setattr("matrix.__main__.PAGE", tmp_path / "page.md")
    assert main(["--corners"]) == 0
    assert not (tmp_path / "page.md").exists()
    assert main([]) == 1
    page = read((tmp_path / "page.md").read_text())
    assert page.left_out[0] == "gevent 2 on CPython 3.10: the index sleeps"


results = st.builds(
    Result,
    st.integers(0, 2000),
    st.integers(0, 9),
    st.lists(st.from_regex(r"tests\.test_[a-z]{1,3}::test_[a-z]{1,3}", fullmatch=True)).map(tuple),
    st.dates().map(str),
)
outcomes = st.sampled_from([OLD, HERE, NEW])


@given(st.data())
def test_the_page_says_what_was_found(data: st.DataObject) -> None:
    found = []
    for combination in everything(["3", "2", "1"], [OLD, NEW]):
        result = data.draw(st.none() | results)
        left_out = "" if result else data.draw(st.sampled_from(["", "no index"]))
        found.append(Outcome(combination, result, not (result or left_out), left_out))
    page = page_of(found, "Linux x86_64")
    again = read(write(page))
    assert write(again) == write(page)
    assert (again.failures, again.left_out) == (page.failures, page.left_out)
    told = {(cell.gevent, cell.minor, cell.kind): cell.text for cell in again.cells}
    for outcome in found:
        combination = outcome.combination
        text = told[combination.gevent, combination.python.minor, combination.kind.name]
        assert text == str(outcome.result or ("left out" if outcome.left_out else "no wheel"))


def test_a_known_fault_of_gevents_is_told_beside_what_it_breaks() -> None:
    python = Python((3, 12, 1), "/some")
    result = Result(1, 0, ("tests.test_a::test_b",), "2026-11-21")
    outcome = Outcome(Combination("23.7.0", python), result)
    (failure,) = page_of([outcome], "Linux").failures
    assert failure.startswith("gevent 23.7.0 on CPython 3.12: `tests.test_a::test_b`, since ")
    assert not outcome.failed
    assert Outcome(Combination("23.7.0", NEW), result).failed


def test_a_page_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(ValueError, match="no page of compatibility"):
        read("# Compatibility\n\nWith everything.\n")


def test_the_page_in_the_tree_is_as_it_was_written() -> None:
    text = (ROOT / "COMPATIBILITY.md").read_text()
    assert write(read(text)) == text


def test_the_page_in_the_tree_has_the_oldest_gevent_and_every_python() -> None:
    page = read((ROOT / "COMPATIBILITY.md").read_text())
    setup = (ROOT / "setup.cfg").read_text()
    (oldest,) = {cell.gevent for cell in page.cells if f"gevent>={cell.gevent}\n" in setup}
    assert oldest == page.cells[-1].gevent
    for minor in {cell.minor for cell in page.cells}:
        assert f"Programming Language :: Python :: {minor}\n" in setup
    assert setup.count("Programming Language :: Python :: 3.") == len(page.pythons)


def test_releases_are_those_that_the_package_allows() -> None:
    releases = supported_releases()
    assert releases[-1] == "22.10.2"
    assert "25.9.1" in releases
    assert not [version for version in releases if "rc" in version]


def test_the_variables_of_whoever_runs_it_do_not_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PURE_PYTHON", "GEVENT_LOOP", "PYTEST_ADDOPTS", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "x")
    assert not [name for name, value in clean_variables().items() if value == "x"]
