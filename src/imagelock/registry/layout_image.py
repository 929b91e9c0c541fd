"""A layout on disk as an image to push: every manifest and blob below its index."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.image import INDEX, Descriptor
from imagelock.model.names import Digest, digest_of, hash_of
from imagelock.model.names import sha256 as checked_sha256
from imagelock.registry.layout import read_index
from imagelock.registry.manifest import (
    LARGEST_MANIFEST,
    MANIFEST_TYPES,
    config_descriptor,
    index_entries,
    is_index,
    parse_descriptor,
    parse_manifest,
)
from imagelock.registry.push import PushBlob, PushImage

_DEEPEST_INDEX: Final = 4


def layout_image(folder: Path, *, origins: tuple[str, ...] = ()) -> PushImage:
    """What a layout holds. Its one entry gets the tag, or its index when it has several.

    ``origins`` are repositories that may have some of its blobs, such as the base's.
    IntegrityError when a manifest is missing or is not the one its digest names.
    """
    where = str(folder)
    index = read_index(folder, where)
    entries = [entry for entry, _platform in index_entries(index, where=f"{where}: index.json")]
    if not entries:
        raise UsageError("the layout holds no image", where=where)
    reader = _Reader(folder, origins)
    for entry in entries:
        reader.read(entry, _DEEPEST_INDEX)
    if len(entries) == 1:
        top = next(found for found, _ in reader.manifests if found.digest == entries[0].digest)
    else:
        data = (folder / "index.json").read_bytes()
        digest = digest_of(checked_sha256(hashlib.sha256(data).hexdigest()))
        top = Descriptor(media_type=INDEX, digest=digest, size=len(data))
        reader.manifests.append((top, data))
    return PushImage(blobs=tuple(reader.blobs.values()), manifests=tuple(reader.manifests), top=top)


class _Reader:
    def __init__(self, folder: Path, origins: tuple[str, ...]) -> None:
        self._folder = folder
        self._origins = origins
        self.blobs: dict[Digest, PushBlob] = {}
        self.manifests: list[tuple[Descriptor, bytes]] = []

    def read(self, entry: Descriptor, depth: int) -> None:
        """A manifest or index and all below it; what is named comes before what names it."""
        where = f"{self._folder}: {entry.digest}"
        if depth == 0 or entry.media_type not in MANIFEST_TYPES:
            raise IntegrityError(f"expected a manifest, got '{entry.media_type}'", where=where)
        data = self._bytes(entry, where)
        manifest = parse_manifest(data, where=where)
        if is_index(manifest):
            for inner, _platform in index_entries(manifest, where=where):
                self.read(inner, depth - 1)
        else:
            layers = manifest.get("layers")
            listed = [
                parse_descriptor(layer, where=f"{where}: layers")
                for layer in (layers if isinstance(layers, list) else [])
            ]
            for blob in (config_descriptor(manifest, where=where), *listed):
                self._add(blob)
        plain = Descriptor(media_type=entry.media_type, digest=entry.digest, size=entry.size)
        if all(found.digest != plain.digest for found, _ in self.manifests):
            self.manifests.append((plain, data))

    def _add(self, blob: Descriptor) -> None:
        source = self._folder / "blobs" / "sha256" / hash_of(blob.digest)
        self.blobs[blob.digest] = PushBlob(descriptor=blob, source=source, origins=self._origins)

    def _bytes(self, entry: Descriptor, where: str) -> bytes:
        path = self._folder / "blobs" / "sha256" / hash_of(entry.digest)
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_MANIFEST + 1)
        except FileNotFoundError:
            raise IntegrityError("the layout does not have this manifest", where=where) from None
        if hashlib.sha256(data).hexdigest() != hash_of(entry.digest):
            raise IntegrityError(
                "the manifest is not the one its digest names",
                where=where,
                hint="build the image again",
            )
        return data
