"""Which bill of materials goes into the wheel? A CycloneDX document, made once and carried along.

It is made by cyclonedx-python-lib from the facts of the release, and stands beside the pin, in git
and in the sdist: so a build needs no more than setuptools, and every build carries the same bytes.
Its serial number is derived from the facts, by which a build sees with the standard library alone
whether it is this tree's. No time and no tool stands in it: both would change without the facts.

The component is the fork; its ancestor is upstream's release; each patch is an entry of its
pedigree, with what it resolves. PEP 770 names the place in the wheel: `.dist-info/sboms/`.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upstream.errors import UpstreamError
from upstream.facts import Facts, rendered

if TYPE_CHECKING:
    from cyclonedx.model.component import Component, Patch

NAME = "geventconnpool_gov.cdx.json"

# CycloneDX knows three types of issues.
_TYPES = {"defect": "defect", "compatibility": "defect", "seam": "enhancement"}

_ADVICE = "`python -m upstream sbom` writes it"


def serial_number(facts: Facts) -> uuid.UUID:
    """Return the number that these facts have, and no others."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"pkg:pypi/{facts['name']}\n{rendered(facts)}")


def require_current(file: Path, facts: Facts) -> str:
    """Return the bill of materials in `file`, which was made from these facts.

    Raises:
        UpstreamError: it was made from others, or is none.
    """
    try:
        text = file.read_text("utf-8")
        number = json.loads(text).get("serialNumber")
    except (OSError, ValueError, AttributeError) as error:
        raise UpstreamError(f"{file}: cannot be read: {error}; {_ADVICE}") from None
    if number != serial_number(facts).urn:
        raise UpstreamError(f"{file}: is not the bill of materials of this tree; {_ADVICE}")
    return text


def make(facts: Facts) -> str:
    """Return the bill of materials; this needs cyclonedx-python-lib."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentScope
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    fork = _fork(facts)
    gevent = Component(
        name="gevent",
        bom_ref="gevent",
        purl=PackageURL("pypi", None, "gevent"),
        scope=ComponentScope.REQUIRED,
        description="Not in this package: brought by the installer, in a release that it chooses.",
    )
    bom = Bom(serial_number=serial_number(facts), components=[gevent])
    bom.metadata.component = fork
    bom.register_dependency(fork, [gevent])
    written = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    document = json.loads(written)
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def validate(text: str) -> None:
    """Compare with CycloneDX's schema, strictly; this needs cyclonedx-python-lib.

    Raises:
        UpstreamError: the schema does not allow it.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise UpstreamError(f"{NAME}: is no CycloneDX 1.6: {error}")


def _fork(facts: Facts) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType, Pedigree
    from cyclonedx.model.contact import OrganizationalContact
    from cyclonedx.model.license import DisjunctiveLicense
    from packageurl import PackageURL

    upstream, module = facts["upstream"], facts["module"]
    ancestor = Component(
        name=upstream["name"],
        version=upstream["version"],
        bom_ref=f"{upstream['name']} {upstream['version']}",
        authors=[OrganizationalContact(name=upstream["author"])],
        licenses=[DisjunctiveLicense(id=upstream["licence"])],
        purl=PackageURL("pypi", None, upstream["name"], upstream["version"]),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=upstream["sha256"])],
        description=f"The hash is that of {upstream['archive']}.",
    )
    built = Component(
        name=module["path"],
        type=ComponentType.FILE,
        bom_ref=module["path"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=module["sha256"])],
        description=f"The ancestor's {upstream['module']['path']}, all patches applied.",
    )
    return Component(
        name=facts["name"],
        version=facts["version"],
        type=ComponentType.LIBRARY,
        bom_ref=facts["name"],
        licenses=[DisjunctiveLicense(id=facts["licence"])],
        purl=PackageURL("pypi", None, facts["name"], facts["version"]),
        components=[built],
        pedigree=Pedigree(
            ancestors=[ancestor],
            patches=[_entry(patch) for patch in facts["patches"]],
            notes="The patches apply in the order of the properties; the values are their SHA-256.",
        ),
        properties=[
            Property(
                name=f"{facts['name']}:patch:{number:02}:{patch['name']}", value=patch["sha256"]
            )
            for number, patch in enumerate(facts["patches"], 1)
        ],
    )


def _entry(patch: dict[str, Any]) -> Patch:
    from cyclonedx.model import XsUri
    from cyclonedx.model.component import Diff, Patch, PatchClassification
    from cyclonedx.model.issue import IssueClassification, IssueType

    issue = IssueType(
        type=IssueClassification(_TYPES.get(patch["reason"], "enhancement")),
        id=patch["name"],
        name=patch["summary"],
        description=patch.get("description"),
        references=[XsUri(patch["bug"])] if "bug" in patch else None,
    )
    return Patch(
        type=PatchClassification.UNOFFICIAL,
        diff=Diff(url=XsUri(f"patches/{patch['name']}.patch")),
        resolves=[issue],
    )
