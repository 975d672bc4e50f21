"""`python -m geventconnpool_gov audit` names what is not as released, and exits to match."""

from __future__ import annotations

import importlib.util
import json
import py_compile
import shutil
from pathlib import Path
from typing import Any

import pytest

from geventconnpool_gov import __version__
from geventconnpool_gov.__main__ import main
from tests.patches.environment import NO_NETWORK, UV, Environment, run
from tests.patches.shop import Shop
from upstream.pin import read_pin, sha256
from upstream.series import read_series
from upstream.tree import Tree

METADATA = f"geventconnpool_gov-{__version__}.dist-info"


@pytest.fixture(scope="module")
def installed(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and gevent, as pip installs them."""
    environment = Environment.make(tmp_path_factory.mktemp("audit") / "environment")
    environment.pip("install", shop.wheel)
    return environment


@pytest.fixture
def site(installed: Environment, tmp_path: Path) -> Path:
    """A copy of what was installed, for a test to damage."""
    (found,) = installed.folder.glob("lib/python*/site-packages")
    for name in ("geventconnpool_gov", METADATA):
        shutil.copytree(found / name, tmp_path / "site" / name)
    shutil.copy2(found / "geventconnpool.py", tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def source(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without upstream's archive, on a machine that has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GEVENTCONNPOOL_SDIST", raising=False)
    return shop.source


@pytest.fixture
def audit(site: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that audits the copy and returns what it prints, as JSON."""

    def audit(*arguments: object, status: int) -> dict[str, Any]:
        code = main(["audit", "--json", "--path", str(site), *map(str, arguments)])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (code, said["status"]) == (status, status), said
        return said

    return audit


def differing(said: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: said[kind] for kind in ("changed", "missing", "extra") if said[kind]}


def test_what_pip_installed_is_as_released(installed: Environment, tree: Tree) -> None:
    pin = read_pin(tree.pin)
    done = run(installed.python, "-m", "geventconnpool_gov", "audit", cwd=installed.folder)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"geventconnpool-gov {__version__}: manifest sha256 ")
    assert lines[1] == f"upstream {pin.name} {pin.version}: sha256 {pin.sha256}"
    for patch in read_series(tree.patches):
        number = lines.index(f"patch {patch.name}: sha256 {sha256(patch.text)}")
        assert lines[number + 1].startswith(f"    {patch.header['Reason']}: ")
    assert lines[-1].startswith("as released: ")


@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_what_uv_installs_is_as_released(shop: Shop, environment: Environment) -> None:
    settings = {**NO_NETWORK, "VIRTUAL_ENV": str(environment.folder)}
    run(UV, "pip", "install", "--no-deps", "--no-cache", shop.wheel, env=settings)
    (site,) = environment.folder.glob("lib/python*/site-packages")
    assert main(["audit", "--path", str(site)]) == 0


@pytest.mark.parametrize(
    "name",
    [
        "geventconnpool_gov/pool.py",
        "geventconnpool_gov/testing/schedules.py",
        "geventconnpool.py",
        f"{METADATA}/METADATA",
        f"{METADATA}/manifest.json",
        f"{METADATA}/sboms/geventconnpool_gov.cdx.json",
    ],
)
def test_a_changed_byte_and_a_removed_file_are_named(site: Path, audit: Any, name: str) -> None:
    content = (site / name).read_bytes()
    (site / name).write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    found = differing(audit(status=1))
    # Where Python has compiled it, what it compiled fits its source no more, and is named as well.
    assert [each for each in found.pop("changed") if "__pycache__" not in each] == [name]
    assert found == {}
    (site / name).unlink()
    assert differing(audit(status=1)) == {"missing": [name]}


@pytest.mark.parametrize(
    "name",
    [
        "geventconnpool_gov/more.py",
        "geventconnpool_gov/epp/more.so",
        "geventconnpool_gov/sourceless.pyc",
        f"{METADATA}/entry_points.txt",
    ],
)
def test_an_added_file_is_named(site: Path, audit: Any, name: str) -> None:
    (site / name).touch()
    assert differing(audit(status=1)) == {"extra": [name]}


def test_an_added_file_is_named_even_where_record_has_it(site: Path, audit: Any) -> None:
    (site / "geventconnpool_gov/more.py").touch()
    with (site / METADATA / "RECORD").open("a") as record:
        record.write("geventconnpool_gov/more.py,,\n")
    assert differing(audit(status=1)) == {"extra": ["geventconnpool_gov/more.py"]}


def test_a_linked_folder_is_named(site: Path, audit: Any, tmp_path: Path) -> None:
    (site / "geventconnpool_gov/linked").symlink_to(tmp_path)
    assert differing(audit(status=1)) == {"extra": ["geventconnpool_gov/linked"]}


def test_a_changed_file_is_named_even_where_record_agrees_with_it(site: Path, audit: Any) -> None:
    (site / "geventconnpool_gov/lease.py").write_text("")
    record = site / METADATA / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if "/lease.py" not in line))
    assert differing(audit(status=1)) == {"changed": ["geventconnpool_gov/lease.py"]}


def test_compiled_files_are_no_difference(site: Path, audit: Any) -> None:
    for level in (0, 1, 2):
        py_compile.compile(str(site / "geventconnpool_gov/lease.py"), optimize=level)
    (site / "geventconnpool_gov/__pycache__/lease.cpython-27.pyc").touch()
    audit(status=0)


def test_a_compiled_file_that_was_exchanged_is_named(
    site: Path, audit: Any, tmp_path: Path
) -> None:
    honest = site / "geventconnpool_gov/lease.py"
    evil = tmp_path / "lease.py"
    evil.write_text("print('mine now')\n")
    target = Path(importlib.util.cache_from_source(str(honest)))
    py_compile.compile(str(evil), str(target))
    status = honest.stat()
    times = int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
    content = target.read_bytes()
    target.write_bytes(content[:8] + times + content[16:])
    name = target.relative_to(site).as_posix()
    assert differing(audit(status=1)) == {"changed": [name]}


def test_a_compiled_file_that_asks_for_no_look_at_its_source_is_looked_at(
    site: Path, audit: Any, tmp_path: Path
) -> None:
    evil = tmp_path / "lease.py"
    evil.write_text("print('mine now')\n")
    honest = site / "geventconnpool_gov/lease.py"
    target = Path(importlib.util.cache_from_source(str(honest)))
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # no times: Python runs it as it is
    py_compile.compile(str(honest), invalidation_mode=unchecked)
    audit(status=0)
    py_compile.compile(str(evil), str(target), invalidation_mode=unchecked)
    assert differing(audit(status=1)) == {"changed": [target.relative_to(site).as_posix()]}


def test_a_compiled_file_that_cannot_be_read_is_named(site: Path, audit: Any) -> None:
    target = Path(py_compile.compile(str(site / "geventconnpool_gov/lease.py"), doraise=True) or "")
    target.write_bytes(target.read_bytes()[:100])
    assert differing(audit(status=1)) == {"changed": [target.relative_to(site).as_posix()]}


def test_a_package_that_cannot_be_imported_can_be_audited(
    shop: Shop, environment: Environment
) -> None:
    environment.pip("install", "--no-deps", shop.wheel, env=NO_NETWORK)  # without gevent
    (module,) = environment.folder.glob("lib/python*/site-packages/geventconnpool_gov/ledger.py")
    module.unlink()
    command = (environment.python, "-m", "geventconnpool_gov", "audit")
    done = run(*command, cwd=environment.folder, fails=True)
    assert done.returncode == 1
    assert "missing: geventconnpool_gov/ledger.py" in done.stdout


def test_a_wheel_that_is_known_to_be_good_audits_any_install(
    shop: Shop, site: Path, environment: Environment
) -> None:
    (site / "geventconnpool_gov/__init__.py").write_text("raise SystemExit(0)\n")
    command = (environment.python, "-S", "-m", "geventconnpool_gov", "audit", "--path", site)
    done = run(*command, env={"PYTHONPATH": str(shop.wheel)}, cwd=shop.wheel.parent, fails=True)
    assert "changed: geventconnpool_gov/__init__.py" in done.stdout


def test_without_record_the_metadata_cannot_be_told(site: Path, audit: Any) -> None:
    (site / METADATA / "RECORD").unlink()
    assert "RECORD" in audit(status=2)["unknown"][0]


def test_a_source_tree_cannot_be_told_and_says_what_can(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit"]) == 2
    assert "python -m upstream check" in capsys.readouterr().out


def test_a_folder_without_an_install_cannot_be_told(tmp_path: Path) -> None:
    assert main(["audit", "--path", str(tmp_path)]) == 2


def test_a_folder_that_is_none_is_told_from_one_without_an_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--path", str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().out


def test_of_two_installs_in_one_folder_neither_is_chosen(site: Path, audit: Any) -> None:
    shutil.copytree(site / METADATA, site / "geventconnpool_gov-0.0.9.dist-info")
    (why,) = audit(status=2)["unknown"]
    assert "0.0.9.dist-info, geventconnpool_gov-0.1.0" in why


def test_an_install_without_a_manifest_cannot_be_told(site: Path, audit: Any) -> None:
    (site / METADATA / "manifest.json").unlink()
    record = site / METADATA / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if "manifest.json" not in line))
    assert "without a manifest" in audit(status=2)["unknown"][0]


def test_a_hash_of_record_that_cannot_be_read_is_no_hash_that_fits(site: Path, audit: Any) -> None:
    record, name = site / METADATA / "RECORD", f"{METADATA}/METADATA"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text(
        "".join(f"{name},sha256=a,1\n" if line.startswith(name) else line for line in lines)
    )
    assert differing(audit(status=1)) == {"changed": [name]}


def test_a_difference_is_printed_on_a_line_of_its_own(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "geventconnpool_gov/more.py").touch()
    assert main(["audit", "--path", str(site)]) == 1
    assert "extra: geventconnpool_gov/more.py" in capsys.readouterr().out.splitlines()


def test_rebuild_from_our_sdist_gives_the_installed_module(
    source: Path, shop: Shop, audit: Any, tree: Tree
) -> None:
    said = audit("--rebuild", "--source", shop.sdist, status=0)
    assert said["rebuilt_sha256"] == read_pin(tree.pin).result


def test_rebuild_from_a_checkout_takes_the_archive_that_is_named(
    source: Path, shop: Shop, audit: Any
) -> None:
    said = audit("--rebuild", "--source", source, status=2)
    assert "--archive" in said["unknown"][0]
    assert "python -m upstream fetch" in said["unknown"][0]
    audit("--rebuild", "--source", source, "--archive", shop.archive, status=0)


def test_rebuild_finds_the_archive_where_fetch_keeps_it(
    source: Path, shop: Shop, audit: Any, tmp_path: Path, tree: Tree
) -> None:
    kept = tmp_path / "cache" / "geventconnpool_gov" / read_pin(tree.pin).archive
    kept.parent.mkdir(parents=True)
    shutil.copy(shop.archive, kept)
    audit("--rebuild", "--source", source, status=0)


@pytest.mark.parametrize("by_variable", [False, True])
def test_rebuild_with_an_archive_that_is_not_there_takes_no_other(
    source: Path, shop: Shop, audit: Any, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    nowhere = shop.archive.with_name("nowhere.tar.gz")
    arguments = () if by_variable else ("--archive", nowhere)
    if by_variable:
        monkeypatch.setenv("GEVENTCONNPOOL_SDIST", str(nowhere))
    said = audit("--rebuild", "--source", shop.sdist, *arguments, status=2)
    assert f"{nowhere} is not there" in said["unknown"][0]


def test_rebuild_without_a_source_says_which_file_it_is(
    source: Path, shop: Shop, audit: Any
) -> None:
    said = audit("--rebuild", status=2)
    assert shop.sdist.name in said["unknown"][0]


def test_rebuild_finds_what_manifest_and_record_were_made_to_hide(
    source: Path, site: Path, shop: Shop, audit: Any
) -> None:
    module, manifest = site / "geventconnpool_gov/pool.py", site / METADATA / "manifest.json"
    before = sha256(module.read_bytes())
    module.write_text(module.read_text() + "# mine now\n")
    manifest.write_text(manifest.read_text().replace(before, sha256(module.read_bytes())))
    record = site / METADATA / "RECORD"
    kept = [line for line in record.read_text().splitlines() if "pool.py" not in line]
    named = [line.partition(",")[0] + ",," if "manifest.json" in line else line for line in kept]
    record.write_text("\n".join(named) + "\n")
    said = audit("--rebuild", "--source", shop.sdist, status=1)
    assert "geventconnpool_gov/pool.py" in said["changed"]


def test_rebuild_with_patches_of_another_release_cannot_tell(
    source: Path, shop: Shop, audit: Any, working_tree: Tree
) -> None:
    patch = next(working_tree.patches.glob("*.patch"))
    patch.write_text(patch.read_text() + "d1 1\n")
    said = audit("--rebuild", "--source", working_tree.root, "--archive", shop.archive, status=2)
    assert patch.name in said["unknown"][0]


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_rebuild_from_what_is_no_source_cannot_tell(
    source: Path, audit: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "file.tar.gz").write_bytes(content)
    audit("--rebuild", "--source", tmp_path / "file.tar.gz", status=2)
    audit("--rebuild", "--source", tmp_path / "nothing", status=2)
