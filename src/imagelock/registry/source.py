"""Base images from a registry, as :class:`imagelock.ports.ImageSource`.

Manifests and configs are kept in the store by digest, so that a second look asks nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.names import Digest, hash_of
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient, fetch_blob
from imagelock.registry.homes import note_home
from imagelock.registry.manifest import (
    INDEX_TYPES,
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
from imagelock.registry.reference import Reference, parse_reference

_DEEPEST_INDEX: Final = 4
_LARGEST_CONFIG: Final = 16 << 20


class RegistrySource:
    """Reads base images from registries through a store."""

    def __init__(self, client: RegistryClient, store: Store) -> None:
        self._client = client
        self._store = store

    def digest(self, reference: str, platform: Platform) -> Digest:
        """The manifest digest of a tag or digest for a platform; NotFound when there is none."""
        parsed = parse_reference(reference)
        data, found = self._manifest(parsed)
        return self._for_platform(parsed, data, found, platform, _DEEPEST_INDEX)

    def image(self, reference: str, digest: Digest, platform: Platform) -> BaseImage:
        """The manifest and config by digest, checked against it."""
        parsed = parse_reference(reference).at(digest)
        data, _ = self._manifest(parsed)
        manifest = parse_manifest(data, where=str(parsed))
        if is_index(manifest):
            raise IntegrityError(
                "expected the manifest of one platform, got an index",
                where=str(parsed),
                hint="run `imagelock lock` to pin the platform's own digest",
            )
        config = self._config(parsed, manifest)
        descriptor = Descriptor(
            media_type=str(manifest["mediaType"]),
            digest=digest,
            size=len(data),
            platform=platform,
        )
        return base_image(manifest, descriptor, config, platform)

    def layer(
        self,
        reference: str,
        descriptor: Descriptor,
        *,
        progress: Callable[[int], None] = lambda _size: None,
    ) -> Path:
        """A file of the store with the layer's compressed bytes."""
        key = hash_of(descriptor.digest)
        if self._store.find(key) is None:
            parsed = parse_reference(reference)
            fetch_blob(self._client, self._store, parsed, descriptor, progress=progress)
            note_home(self._store, parsed, descriptor.digest)
        return self._store.path(key)

    def exists(self, reference: str, platform: Platform) -> bool | None:
        """Whether the registry has this image for the platform; None when that is unknown.

        False only on the registry's own word: it answered 404, or its index or config names
        other platforms. No network, no permission and bad certificates are None.
        """
        try:
            self.digest(reference, platform)
        except NotFound:
            return False
        except (NetworkError, IntegrityError):
            return None
        return True

    def _manifest(self, reference: Reference) -> tuple[bytes, Digest]:
        if reference.digest is not None:
            with contextlib.suppress(KeyError):
                return self._store.read(hash_of(reference.digest)), reference.digest
        head = None if reference.digest else self._client.head(reference)
        if reference.digest is None and head is None:
            raise NotFound(
                "the registry has no such image",
                where=str(reference),
                hint="check the name and the tag",
            )
        if head is not None and head.digest is not None:
            # By digest from here on: what the tag names may move between two requests.
            return self._manifest(reference.at(head.digest))
        data, found = self._client.manifest(reference)
        self._store.add_bytes(data, expected=hash_of(found), where=str(reference))
        return data, found

    def _for_platform(
        self, reference: Reference, data: bytes, found: Digest, platform: Platform, depth: int
    ) -> Digest:
        where = str(reference)
        manifest = parse_manifest(data, where=where)
        if not is_index(manifest):
            text = config_platform(
                parse_object(self._config(reference, manifest), where=f"{where}: config")
            )
            if not platform_fits(text, platform):
                raise no_platform(where, platform, [text])
            return found
        if depth == 0:
            raise IntegrityError("an index inside an index inside an index …", where=where)
        entries = index_entries(manifest, where=where)
        chosen = choose(entries, platform)
        if chosen and chosen[0].media_type not in INDEX_TYPES:
            return chosen[0].digest
        # An entry without a platform says nothing: what it names is asked.
        silent = [entry for entry, text in entries if not text]
        for entry in chosen or silent:
            inner = reference.at(entry.digest)
            with contextlib.suppress(NotFound):
                inner_data, _ = self._manifest(inner)
                return self._for_platform(inner, inner_data, entry.digest, platform, depth - 1)
        raise no_platform(where, platform, [text for _, text in entries])

    def _config(self, reference: Reference, manifest: dict[str, object]) -> bytes:
        where = f"{reference}: config"
        descriptor = config_descriptor(manifest, where=str(reference))
        if descriptor.size > _LARGEST_CONFIG:
            raise IntegrityError(
                f"expected a config of at most {_LARGEST_CONFIG} bytes, got {descriptor.size}",
                where=where,
            )
        key = hash_of(descriptor.digest)
        with contextlib.suppress(KeyError):
            return self._store.read(key)
        fetch_blob(self._client, self._store, reference, descriptor)
        return self._store.read(key)
