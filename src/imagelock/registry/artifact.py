"""Small things put into a registry: blobs from memory, manifests, and their descriptors."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any, Final

from imagelock.fetch.http import Response
from imagelock.model.image import Descriptor
from imagelock.model.names import digest_of
from imagelock.model.names import sha256 as checked_sha256
from imagelock.registry.client import PUSH, RegistryClient, unexpected
from imagelock.registry.reference import Reference
from imagelock.registry.upload import BlobUpload, is_there

EMPTY: Final = b"{}"
EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
"""The config of an artifact that needs none (image-spec, manifest.md)."""


def descriptor_of(data: bytes, media_type: str) -> Descriptor:
    """The descriptor of bytes in memory."""
    found = checked_sha256(hashlib.sha256(data).hexdigest())
    return Descriptor(media_type=media_type, digest=digest_of(found), size=len(data))


def as_json(descriptor: Descriptor) -> dict[str, Any]:
    """The three fields every descriptor has."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the same value has one digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def upload_bytes(
    client: RegistryClient, target: Reference, descriptor: Descriptor, data: bytes
) -> None:
    """Make sure the target's repository has a small blob."""
    if not is_there(client, target, descriptor):
        upload = BlobUpload(client, target, descriptor, progress=lambda _descriptor, _size: None)
        upload.run(io.BytesIO(data))


def put_manifest(
    client: RegistryClient, target: Reference, media_type: str, data: bytes
) -> Response:
    """Put a manifest under the target's digest or tag. NetworkError when it is not taken."""
    answer = client.request(
        "PUT",
        target,
        f"manifests/{target.selector}",
        headers={"Content-Type": media_type},
        body=data,
        action=PUSH,
    )
    if answer.status not in {200, 201, 202}:
        raise unexpected(answer, target)
    return answer
