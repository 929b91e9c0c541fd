"""A lock as an SPDX document, JSON of version 2.3 (ISO/IEC 5962, https://spdx.github.io).

Written by hand: the format is a dozen keys, and the project's library brings ten others with it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from imagelock.lock.export.components import Bill, Component, Role, bill_of
from imagelock.lock.export.licenses import NO_LICENSES, Licenses
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform

_UNKNOWN: Final = "NOASSERTION"
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PURPOSES: Final = {
    Role.IMAGE: "CONTAINER",
    Role.BASE_IMAGE: "CONTAINER",
    Role.DISTRIBUTION: "OPERATING-SYSTEM",
    Role.INTERPRETER: "APPLICATION",
    Role.PACKAGE: "LIBRARY",
}

Json = dict[str, object]


def export_spdx(
    lock: Lock, platform: Platform | None = None, licenses: Licenses = NO_LICENSES
) -> str:
    """The image, its base and every package with its package URL, file, hash and what it needs.

    Equal locks give equal text: the namespace follows from the tag, and the time of creation,
    which the format demands, is that of the newest index that the lock was made from, or 1970.
    UsageError for a platform that the lock is not for.
    """
    bill = bill_of(lock, platform, licenses)
    created = max([_OLDEST, *(index.date for index in lock.apt_indexes)])
    document: Json = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{bill.image.name}-{bill.digest}",
        "documentNamespace": _namespace(bill),
        "creationInfo": {
            "created": f"{created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "creators": ["Tool: imagelock"],
        },
        "packages": [_package(part) for part in (bill.image, *bill.parts)],
        "relationships": _relationships(bill),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _namespace(bill: Bill) -> str:
    platforms = ",".join(map(str, bill.image.platforms))
    name = f"imagelock:spdx:{bill.image.name}:{bill.digest}:{platforms}"
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name)}"


def _id(reference: str) -> str:
    return f"SPDXRef-{reference}"


def _package(part: Component) -> Json:
    made: Json = {
        "SPDXID": _id(part.reference),
        "name": part.name,
        "versionInfo": part.version,
        "primaryPackagePurpose": _PURPOSES[part.role],
        "comment": f"platforms: {', '.join(map(str, part.platforms))}",
        "downloadLocation": part.url or _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": part.license or _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }
    if part.sha256:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256}]
    if part.purl:
        made["externalRefs"] = [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": part.purl,
            }
        ]
    return made


def _relationships(bill: Bill) -> list[Json]:
    """The document describes the image, which contains every part; parts depend on parts."""
    image = _id(bill.image.reference)
    found = [(_DOCUMENT, "DESCRIBES", image)]
    found += [(image, "CONTAINS", _id(part.reference)) for part in bill.parts]
    found += [
        (_id(part.reference), "DEPENDS_ON", _id(name))
        for part in (bill.image, *bill.parts)
        for name in part.needs
    ]
    return [
        {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
        for one, kind, other in found
    ]
