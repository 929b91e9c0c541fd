"""Base images from an OCI layout on disk (OCI image-spec, image-layout.md).

What is read is hashed and copied into the store: the folder may change while a build runs.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from imagelock.fetch.store import Store, file_chunks
from imagelock.model.errors import IntegrityError, NotFound, UsageError
from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.names import Digest, hash_of
from imagelock.model.platform import Platform
from imagelock.registry.manifest import (
    INDEX_TYPES,
    LARGEST_MANIFEST,
    MANIFEST_TYPES,
    base_image,
    choose,
    config_descriptor,
    config_platform,
    index_entries,
    is_index,
    no_platform,
    parse_manifest,
    parse_object,
    platform_fits,
)

_PREFIX: Final = "oci:"
_NAME: Final = "org.opencontainers.image.ref.name"
_DEEPEST_INDEX: Final = 4


class LayoutSource:
    """Reads ``oci:DIR`` or ``oci:DIR:NAME``; relative folders are taken from ``folder``."""

    def __init__(self, store: Store, *, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def digest(self, reference: str, platform: Platform) -> Digest:
        """The digest of the one manifest for a platform; NotFound when there is none."""
        root, name = self._place(reference)
        index = read_index(root, reference)
        entries = index_entries(index, where=f"{reference}: index.json")
        if name is not None:
            entries = tuple(
                (entry, text) for entry, text in entries if (_NAME, name) in entry.annotations
            )
            if not entries:
                raise NotFound(f"the layout has no image named '{name}'", where=reference)
        seen: list[str] = []
        found = self._matching(reference, entries, platform, seen, _DEEPEST_INDEX)
        distinct = list(dict.fromkeys(found))
        if not distinct:
            raise no_platform(reference, platform, seen)
        if len(distinct) > 1:
            raise UsageError(
                f"the layout has {len(distinct)} images for {platform}",
                where=reference,
                hint="name one: oci:DIR:NAME, after its org.opencontainers.image.ref.name",
            )
        return distinct[0]

    def image(self, reference: str, digest: Digest, platform: Platform) -> BaseImage:
        """The manifest and config by digest, checked against it; the store is enough for them."""
        data = self._small(digest, None, reference)
        manifest = parse_manifest(data, where=f"{reference}: {digest}")
        if is_index(manifest):
            raise IntegrityError(
                "expected a manifest, got an index", where=f"{reference}: {digest}"
            )
        config = self._config(manifest, reference)
        descriptor = Descriptor(
            media_type=str(manifest["mediaType"]), digest=digest, size=len(data), platform=platform
        )
        return base_image(manifest, descriptor, config, platform)

    def layer(self, reference: str, descriptor: Descriptor) -> Path:
        """A file of the store with the layer's bytes, copied from the layout when it is new."""
        key = hash_of(descriptor.digest)
        if self._store.find(key) is None:
            self._keep(descriptor.digest, descriptor.size, reference)
        return self._store.path(key)

    def _place(self, reference: str) -> tuple[Path, str | None]:
        text = reference.removeprefix(_PREFIX)
        folder = self._folder / text
        if (folder / "index.json").is_file():
            return folder, None
        head, colon, name = text.rpartition(":")
        if colon and (self._folder / head / "index.json").is_file():
            return self._folder / head, name
        raise UsageError(
            "no OCI layout there: it has no index.json",
            where=reference,
            hint="give the folder as oci:DIR, relative to the spec",
        )

    def _matching(
        self,
        reference: str,
        entries: tuple[tuple[Descriptor, str], ...],
        platform: Platform,
        seen: list[str],
        depth: int,
    ) -> list[Digest]:
        if depth == 0:
            raise IntegrityError("an index inside an index inside an index …", where=reference)
        seen += [text for _, text in entries]
        chosen = choose(entries, platform)
        found: list[Digest] = []
        for entry in chosen or [entry for entry, text in entries if not text]:
            if entry.media_type not in MANIFEST_TYPES:
                continue
            data = self._small(entry.digest, entry.size, reference)
            manifest = parse_manifest(data, where=f"{reference}: {entry.digest}")
            if entry.media_type in INDEX_TYPES or is_index(manifest):
                inner = index_entries(manifest, where=f"{reference}: {entry.digest}")
                found += self._matching(reference, inner, platform, seen, depth - 1)
                continue
            config = parse_object(self._config(manifest, reference), where=reference)
            text = config_platform(config)
            seen.append(text)
            if platform_fits(text, platform):
                found.append(entry.digest)
        return found

    def _config(self, manifest: dict[str, object], reference: str) -> bytes:
        descriptor = config_descriptor(manifest, where=reference)
        return self._small(descriptor.digest, descriptor.size, reference)

    def _small(self, digest: Digest, size: int | None, reference: str) -> bytes:
        with contextlib.suppress(KeyError):
            return self._store.read(hash_of(digest))
        self._keep(digest, size, reference)
        return self._store.read(hash_of(digest))

    def _keep(self, digest: Digest, size: int | None, reference: str) -> None:
        root, _ = self._place(reference)
        path = root / "blobs" / "sha256" / hash_of(digest)
        where = f"{reference}: {digest}"
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno()).st_size
                if size is not None and found != size:
                    raise IntegrityError(f"expected {size} bytes, got {found}", where=where)
                self._store.add(file_chunks(file), expected=hash_of(digest), where=where)
        except FileNotFoundError:
            raise IntegrityError(
                "the layout does not have this blob",
                where=where,
                hint="write the layout again; if it holds a newer image now, run "
                "`imagelock lock -P base`",
            ) from None


def read_index(root: Path, reference: str) -> dict[str, object]:
    """A layout's index.json, its version checked. UsageError when there is no layout."""
    where = f"{reference}: index.json"
    marker = root / "oci-layout"
    version = (
        parse_object(marker.read_bytes(), where=f"{reference}: oci-layout").get(
            "imageLayoutVersion"
        )
        if marker.is_file()
        else None
    )
    if version != "1.0.0":
        raise UsageError(
            f"expected an OCI layout of version 1.0.0, got {version!r}",
            where=reference,
            hint="write it with `skopeo copy … oci:DIR` or `imagelock build --output oci:DIR`",
        )
    path = root / "index.json"
    if path.stat().st_size > LARGEST_MANIFEST:
        raise IntegrityError(f"expected an index of at most {LARGEST_MANIFEST} bytes", where=where)
    manifest = parse_manifest(path.read_bytes(), where=where)
    if not is_index(manifest):
        raise IntegrityError("expected an index", where=where)
    return manifest
