"""What does a release say of itself? The facts that manifest and bill of materials share.

Facts are plain values, in an order that the files decide: the same tree gives the same facts, and
so the same bytes. They quote headers of patches, which the fork wrote, and nothing of upstream's.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterable
from typing import Any

from upstream.errors import UpstreamError
from upstream.patch import Patch
from upstream.pin import Pin, sha256
from upstream.tree import Tree

Facts = dict[str, Any]


def facts(tree: Tree, pin: Pin, patches: Iterable[Patch]) -> Facts:
    """Return the facts of `tree`.

    Raises:
        UpstreamError: setup.cfg is not there, or lacks name, version or licence.
    """
    metadata = _metadata(tree)
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "licence": metadata["license"],
        "upstream": {
            "name": pin.name,
            "version": pin.version,
            "author": pin.author,
            "licence": pin.licence,
            "archive": pin.archive,
            "sha256": pin.sha256,
            "module": {"path": pin.pool.path, "sha256": pin.pool.sha256},
        },
        "patches": [_patch(patch) for patch in patches],
        "module": {"path": tree.pool.relative_to(tree.root).as_posix(), "sha256": pin.result},
    }


def rendered(values: Facts) -> str:
    """Return `values` as they are written to a file."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _patch(patch: Patch) -> Facts:
    summary, _, description = patch.header["Description"].partition("\n")
    said = {"name": patch.name, "reason": patch.header["Reason"], "summary": summary}
    if description:
        said["description"] = description
    if "Bug" in patch.header:
        said["bug"] = patch.header["Bug"]
    return {**said, "sha256": sha256(patch.text)}


def _metadata(tree: Tree) -> configparser.SectionProxy:
    file = tree.root / "setup.cfg"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text("utf-8"), str(file))
        metadata = parser["metadata"]
        for key in ("name", "version", "license"):
            metadata[key]
    except (OSError, KeyError, configparser.Error) as error:
        raise UpstreamError(f"{file}: cannot be read as metadata: {error}") from None
    return metadata
