"""The wheel has a bill of materials, valid and this tree's own, and a manifest of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.patches.shop import Shop, read_wheel
from upstream import sbom
from upstream.errors import UpstreamError
from upstream.facts import Facts, facts
from upstream.manifest import require_whole
from upstream.pin import read_pin, sha256
from upstream.series import read_series
from upstream.tree import Tree


@pytest.fixture
def told(tree: Tree) -> Facts:
    return facts(tree, read_pin(tree.pin), read_series(tree.patches))


@pytest.fixture
def component(shop: Shop) -> dict[str, Any]:
    """What the bill in the wheel says of the fork."""
    written = read_wheel(shop.wheel)[f"{shop.info}/sboms/{sbom.NAME}"]
    found: dict[str, Any] = json.loads(written)["metadata"]["component"]
    return found


def test_the_bill_is_what_the_library_makes_of_this_tree(tree: Tree, told: Facts) -> None:
    assert sbom.make(told) == tree.sbom.read_text("utf-8")


def test_the_bill_in_the_wheel_is_valid_by_the_strict_schema(shop: Shop, tree: Tree) -> None:
    written = read_wheel(shop.wheel)[f"{shop.info}/sboms/{sbom.NAME}"].decode()
    sbom.validate(written)
    assert written == tree.sbom.read_text("utf-8")


def test_a_field_that_the_schema_lacks_is_found(tree: Tree) -> None:
    document = json.loads(tree.sbom.read_text("utf-8"))
    with pytest.raises(UpstreamError, match="is no CycloneDX"):
        sbom.validate(json.dumps({**document, "invented": 1}))


def test_upstream_is_the_ancestor(component: dict[str, Any], tree: Tree) -> None:
    (ancestor,) = component["pedigree"]["ancestors"]
    pin = read_pin(tree.pin)
    assert ancestor["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": pin.sha256}]


def test_each_patch_is_an_entry_with_what_it_resolves(
    component: dict[str, Any], tree: Tree
) -> None:
    entries = {entry["diff"]["url"]: entry for entry in component["pedigree"]["patches"]}
    patches = read_series(tree.patches)
    assert entries.keys() == {patch.file for patch in patches}
    for patch in patches:
        (issue,) = entries[patch.file]["resolves"]
        assert issue["name"] == patch.header["Description"].partition("\n")[0]


def test_a_bill_of_other_facts_stops_the_build(tree: Tree, told: Facts) -> None:
    with pytest.raises(UpstreamError, match="is not the bill of materials of this tree"):
        sbom.require_current(tree.sbom, {**told, "version": "99"})


def test_no_bill_stops_the_build(tmp_path: Path, told: Facts) -> None:
    with pytest.raises(UpstreamError, match="python -m upstream sbom"):
        sbom.require_current(tmp_path / "sbom.cdx.json", told)


def test_the_manifest_has_every_file_of_the_package(shop: Shop) -> None:
    content = read_wheel(shop.wheel)
    files = json.loads(content[f"{shop.info}/manifest.json"])["files"]
    package = {name for name in content if not name.startswith(shop.info)}
    assert files == {name: sha256(content[name]) for name in package}


def test_a_wheel_that_is_not_as_its_manifest_says_is_not_built(shop: Shop) -> None:
    manifest = json.loads(read_wheel(shop.wheel)[f"{shop.info}/manifest.json"])
    manifest["files"]["geventconnpool_gov/more.py"] = "0" * 64
    with pytest.raises(UpstreamError, match=r"manifest says: geventconnpool_gov/more\.py"):
        require_whole(shop.wheel, manifest)
