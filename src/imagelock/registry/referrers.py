"""What is attached to an image: artifacts whose ``subject`` it is (distribution-spec 1.1).

Registries that know the referrers API list them; for the others the list is kept as an index
under the tag ``sha256-…`` of the subject's digest, as the specification asks of clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from imagelock.model.errors import IntegrityError
from imagelock.model.image import INDEX, MANIFEST, Descriptor
from imagelock.model.names import Digest
from imagelock.registry.artifact import (
    EMPTY,
    EMPTY_TYPE,
    as_json,
    canonical,
    descriptor_of,
    put_manifest,
    upload_bytes,
)
from imagelock.registry.client import RegistryClient
from imagelock.registry.manifest import (
    index_entries,
    is_index,
    parse_descriptor,
    parse_manifest,
)
from imagelock.registry.reference import Reference

_TITLE: Final = "org.opencontainers.image.title"
_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file to attach; ``kind`` is its artifact type, ``media_type`` that of its bytes."""

    kind: str
    media_type: str
    title: str
    data: bytes


def attach(
    client: RegistryClient, target: Reference, subject: Descriptor, attachment: Attachment
) -> Digest:
    """Attach a file to an image of the target's repository; the digest of its manifest.

    The same file gives the same digest, so attaching twice changes nothing.
    """
    empty = descriptor_of(EMPTY, EMPTY_TYPE)
    layer = descriptor_of(attachment.data, attachment.media_type)
    for descriptor, data in ((empty, EMPTY), (layer, attachment.data)):
        upload_bytes(client, target, descriptor, data)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": attachment.kind,
            "config": as_json(empty),
            "layers": [{**as_json(layer), "annotations": {_TITLE: attachment.title}}],
            "subject": as_json(subject),
        }
    )
    named = descriptor_of(manifest, MANIFEST)
    answer = put_manifest(client, target.at(named.digest), MANIFEST, manifest)
    if "oci-subject" not in answer.headers:
        entry = {**as_json(named), "artifactType": attachment.kind}
        _keep_in_tag(client, target, subject.digest, entry)
    return named.digest


def referrers(
    client: RegistryClient, target: Reference, subject: Digest, *, kind: str
) -> tuple[Descriptor, ...]:
    """The manifests of this artifact type attached to an image, in the order of digests."""
    listed = _listed(client, target, subject)
    found = {
        parse_descriptor(entry, where=f"{target}: referrers")
        for entry in listed
        if isinstance(entry, dict) and entry.get("artifactType") == kind
    }
    return tuple(sorted(found, key=lambda descriptor: descriptor.digest))


def read_attachment(client: RegistryClient, target: Reference, manifest: Digest) -> bytes:
    """The one file of an attached manifest, checked against its digest."""
    where = f"{target.name}@{manifest}"
    data, _ = client.manifest(target.at(manifest))
    layers = parse_manifest(data, where=where).get("layers")
    if not isinstance(layers, list) or len(layers) != 1:
        raise IntegrityError("expected an artifact of one file", where=where)
    layer = parse_descriptor(layers[0], where=where)
    if layer.size > _LARGEST:
        raise IntegrityError(f"expected at most {_LARGEST} bytes", where=where)
    with client.blob(target, layer.digest) as chunks:
        content = b"".join(chunks)
    if descriptor_of(content, layer.media_type).digest != layer.digest:
        raise IntegrityError(f"expected {layer.digest}, got other bytes", where=where)
    return content


def _listed(client: RegistryClient, target: Reference, subject: Digest) -> list[Any]:
    answer = client.request("GET", target, f"referrers/{subject}", headers={"Accept": INDEX})
    if answer.status == 200 and answer.headers.get("content-type", "").startswith(INDEX):
        data = answer.body
    else:
        tag = _fallback(target, subject)
        if client.head(tag) is None:
            return []
        data, _ = client.manifest(tag)
    index = parse_manifest(data, where=f"{target}: referrers")
    if not is_index(index):
        return []
    index_entries(index, where=f"{target}: referrers")
    listed = index["manifests"]
    return listed if isinstance(listed, list) else []


def _keep_in_tag(
    client: RegistryClient, target: Reference, subject: Digest, entry: dict[str, Any]
) -> None:
    others = [
        other
        for other in _listed(client, target, subject)
        if other.get("digest") != entry["digest"]
    ]
    listed = sorted([*others, entry], key=lambda item: str(item["digest"]))
    index = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    put_manifest(client, _fallback(target, subject), INDEX, index)


def _fallback(target: Reference, subject: Digest) -> Reference:
    return Reference(
        registry=target.registry, repository=target.repository, tag=subject.replace(":", "-")
    )
