"""A lock as a CycloneDX bill of materials, JSON of version 1.6 (ECMA-424)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from imagelock.lock.export.components import Bill, Component, Role, bill_of
from imagelock.lock.export.licenses import NO_LICENSES, Licenses
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from cyclonedx.model import bom, component

_PLATFORMS: Final = "imagelock:platform"
_ROLE: Final = "imagelock:role"


def export_cyclonedx(
    lock: Lock, platform: Platform | None = None, licenses: Licenses = NO_LICENSES
) -> str:
    """The image, its base and every package with its package URL, file, hash and what it needs.

    Equal locks give equal text: the serial number follows from the tag, and there is no time.
    UsageError for a platform that the lock is not for, or without the extra ``sbom``.
    """
    try:
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as error:
        raise UsageError(
            "CycloneDX needs the library cyclonedx-python-lib",
            where="--format cyclonedx",
            hint="install imagelock[sbom], or choose --format spdx",
        ) from error
    return JsonV1Dot6(_bom(bill_of(lock, platform, licenses))).output_as_string(indent=2) + "\n"


def _bom(bill: Bill) -> bom.Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.dependency import Dependency

    made = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"imagelock:cyclonedx:{_identity(bill)}"),
        metadata=BomMetaData(component=_component(bill.image)),
        components=[_component(part) for part in bill.parts],
        dependencies=[
            Dependency(
                ref=BomRef(part.reference),
                dependencies=[Dependency(ref=BomRef(name)) for name in part.needs],
            )
            for part in (bill.image, *bill.parts)
        ],
    )
    # The library's default is the clock; the schema has no need of a time.
    made.metadata.timestamp = None  # type: ignore[assignment]
    return made


def _identity(bill: Bill) -> str:
    return f"{bill.image.name}:{bill.digest}:{','.join(map(str, bill.image.platforms))}"


def _component(part: Component) -> component.Component:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        Property,
        XsUri,
    )
    from cyclonedx.model.component import Component as Made
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression
    from packageurl import PackageURL

    kinds = {
        Role.IMAGE: ComponentType.CONTAINER,
        Role.BASE_IMAGE: ComponentType.CONTAINER,
        Role.DISTRIBUTION: ComponentType.OPERATING_SYSTEM,
        Role.INTERPRETER: ComponentType.PLATFORM,
        Role.PACKAGE: ComponentType.LIBRARY,
    }
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else []
    files = (
        [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(part.url))]
        if part.url
        else []
    )
    declared = LicenseAcknowledgement.DECLARED
    licenses = [LicenseExpression(part.license, acknowledgement=declared)] if part.license else []
    return Made(
        bom_ref=part.reference,
        licenses=licenses,
        type=kinds[part.role],
        name=part.name,
        version=part.version,
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        hashes=hashes,
        external_references=files,
        properties=[
            Property(name=_ROLE, value=part.role.value),
            *(Property(name=_PLATFORMS, value=str(item)) for item in part.platforms),
        ],
    )
