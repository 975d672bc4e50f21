"""How is the package built? As setuptools builds it, once upstream's part is there and checked.

Before a wheel, an editable install or their metadata, `geventconnpool_gov/pool.py` is built from
archive and series, with a notice that credits upstream. A wheel's metadata has the notice in its
`licenses/`, the bill of materials in its `sboms/`, and the manifest of its files. An sdist carries
the archive in place of what is built. The same tree gives the same bytes. Whatever does not fit
stops the build with one line.

PEP 517 and PEP 660 name these functions, and their arguments.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setuptools import build_meta

from upstream import sbom
from upstream.check import Checked, check
from upstream.errors import UpstreamError
from upstream.facts import Facts, facts, rendered
from upstream.manifest import NAME, manifest, require_whole
from upstream.same_bytes import rewrite_sdist, rewrite_wheel
from upstream.tree import Tree, this_tree, write_if_changed

get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist

Settings = Mapping[str, Any] | None

_NOTICE = """\
geventconnpool_gov/pool.py is {name} {version} by {author}, under the {licence} licence below,
with these changes of the fork applied:

{patches}

{text}"""


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Write the wheel's metadata: notice, bill of materials and manifest with it."""
    tree = this_tree()
    told = _build(tree)
    bill = _bill(tree, told)
    name = build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    info = Path(metadata_directory, name)
    _add_licence(info, tree.notice)
    (info / "sboms").mkdir(exist_ok=True)
    (info / "sboms" / sbom.NAME).write_text(bill, "utf-8")
    (info / NAME).write_text(rendered(manifest(tree, told)), "utf-8")
    return name


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel, of this tree and of nothing left over from an earlier build."""
    tree = this_tree()
    told = _build(tree)
    shutil.rmtree(tree.root / "build" / "lib", ignore_errors=True)
    with TemporaryDirectory() as folder:
        if metadata_directory is None:
            name = prepare_metadata_for_build_wheel(folder, config_settings)
            metadata_directory = str(Path(folder, name))
        name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    wheel = Path(wheel_directory, name)
    with _one_line():
        require_whole(wheel, manifest(tree, told))
    rewrite_wheel(wheel)
    return name


def prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Write the editable install's metadata."""
    _build(this_tree())
    return build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that points at this tree."""
    _build(this_tree())
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the sdist: upstream's archive beside the pin, and nothing that was built from it."""
    tree = this_tree()
    checked = _checked(tree)
    _bill(tree, facts(tree, checked.pin, checked.patches))
    with ExitStack() as afterwards:
        if not checked.pin.carried.exists():
            afterwards.callback(checked.pin.carried.unlink)
            checked.pin.carried.write_bytes(checked.archive.content)
        name = build_meta.build_sdist(sdist_directory, config_settings)
    rewrite_sdist(Path(sdist_directory, name))
    return name


def _build(tree: Tree) -> Facts:
    """Build what is not in git, and return the facts of the release."""
    checked = _checked(tree)
    pin = checked.pin
    notice = _NOTICE.format(
        name=pin.name,
        version=pin.version,
        author=pin.author,
        licence=pin.licence,
        patches="\n".join(f"  {patch.file}" for patch in checked.patches),
        text=checked.archive.member(pin.licence_text),
    )
    write_if_changed(tree.pool, checked.pool)
    write_if_changed(tree.notice, notice)
    with _one_line():
        return facts(tree, pin, checked.patches)


def _bill(tree: Tree, told: Facts) -> str:
    with _one_line():
        return sbom.require_current(tree.sbom, told)


def _add_licence(dist_info: Path, file: Path) -> None:
    """Put `file` beside the project's own licence, and its name into the metadata's header."""
    (dist_info / "licenses").mkdir(exist_ok=True)
    shutil.copy(file, dist_info / "licenses" / file.name)
    metadata = dist_info / "METADATA"
    first, _, rest = metadata.read_text("utf-8").partition("\n")
    metadata.write_text(f"{first}\nLicense-File: {file.name}\n{rest}", "utf-8")


def _checked(tree: Tree) -> Checked:
    with _one_line():
        return check(tree)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except UpstreamError as error:
        raise SystemExit(f"geventconnpool_gov cannot be built: {error}") from None
