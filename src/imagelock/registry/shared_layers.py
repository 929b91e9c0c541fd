"""Layers shared by a team through a repository of any registry (``--cache-from``, ``--cache-to``).

A layer's key is its tag; its manifest holds the layer and, as config, the record that the
builder keeps of it. Loading puts both into the store, where the builder finds them as if it had
made them. Bytes are checked by digest; that a key means what it says is the word of whoever may
write to the repository, so it is used only where the user names one.
"""

from __future__ import annotations

from typing import Final

from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError
from imagelock.model.image import MANIFEST, Descriptor
from imagelock.model.names import digest, hash_of
from imagelock.registry.artifact import (
    as_json,
    canonical,
    descriptor_of,
    put_manifest,
    upload_bytes,
)
from imagelock.registry.client import RegistryClient, fetch_blob
from imagelock.registry.homes import note_home
from imagelock.registry.manifest import (
    config_descriptor,
    parse_descriptor,
    parse_manifest,
    parse_object,
)
from imagelock.registry.reference import Reference
from imagelock.registry.upload import BlobUpload, is_there

_KIND: Final = "application/vnd.imagelock.layer.v1"
_RECORD_TYPE: Final = "application/vnd.imagelock.layer.record.v1+json"
_LARGEST_RECORD: Final = 64 << 20
_RECORDS: Final = "layers"
_KEY_DIGITS: Final = 48


class SharedLayers:
    """The layers of one repository, loaded into a store and saved from it."""

    def __init__(self, client: RegistryClient, store: Store, repository: Reference) -> None:
        self._client = client
        self._store = store
        self._repository = repository

    def load(self, key: str) -> bool:
        """Bring a layer and its record into the store; False when the repository has none.

        A registry that cannot be reached is as one that has none: the layer is made instead.
        IntegrityError for bytes that are not those promised.
        """
        target = self._tag(key)
        try:
            head = self._client.head(target)
            if head is None:
                return False
            data, _ = self._client.manifest(target)
            manifest = parse_manifest(data, where=str(target))
            layer, record = self._read(manifest, target)
            if self._store.find(hash_of(layer.digest)) is None:
                fetch_blob(self._client, self._store, target, layer)
        except NetworkError:
            return False
        note_home(self._store, target, layer.digest)
        self._store.keep_record(_RECORDS, key, record)
        return True

    def save(self, key: str) -> bool:
        """Put a layer of the store into the repository; False when it was there."""
        record = self._store.record(_RECORDS, key)
        target = self._tag(key)
        if not isinstance(record, dict):
            raise KeyError(key)
        layer = Descriptor(
            media_type=str(record["media_type"]),
            digest=digest(str(record["digest"])),
            size=int(record["size"]),
        )
        config = descriptor_of(canonical(record), _RECORD_TYPE)
        manifest = canonical(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": _KIND,
                "config": as_json(config),
                "layers": [as_json(layer)],
            }
        )
        there = self._client.head(target)
        if there is not None and there.digest == descriptor_of(manifest, MANIFEST).digest:
            return False
        upload_bytes(self._client, target, config, canonical(record))
        self._upload(target, layer)
        put_manifest(self._client, target, MANIFEST, manifest)
        return True

    def _upload(self, target: Reference, layer: Descriptor) -> None:
        if not is_there(self._client, target, layer):
            upload = BlobUpload(
                self._client, target, layer, progress=lambda _descriptor, _size: None
            )
            with self._store.path(hash_of(layer.digest)).open("rb") as file:
                upload.run(file)
        note_home(self._store, target, layer.digest)

    def _read(
        self, manifest: dict[str, object], target: Reference
    ) -> tuple[Descriptor, dict[str, object]]:
        """The layer and the record of a manifest, which must agree."""
        where = str(target)
        layers = manifest.get("layers")
        if not isinstance(layers, list) or len(layers) != 1:
            raise IntegrityError("expected the manifest of one layer", where=where)
        layer = parse_descriptor(layers[0], where=where)
        config = config_descriptor(manifest, where=where)
        if config.media_type != _RECORD_TYPE or config.size > _LARGEST_RECORD:
            raise IntegrityError(
                f"expected a layer's record, got '{config.media_type}'", where=where
            )
        fetch_blob(self._client, self._store, target, config)
        record = parse_object(self._store.read(hash_of(config.digest)), where=where)
        if record.get("digest") != layer.digest:
            raise IntegrityError("the record is of another layer", where=where)
        return layer, record

    def _tag(self, key: str) -> Reference:
        return Reference(
            registry=self._repository.registry,
            repository=self._repository.repository,
            tag=f"layer-{key[:_KEY_DIGITS]}",
        )
