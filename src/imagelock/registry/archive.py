"""Images in one tar: an OCI layout (`oci-archive:`), or what `docker save` writes.

A tar is read once as a stream. Its files become entries of a store of their own, by their hash
and under no name of the archive's, and the image is then read as from a layout on disk.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imagelock.fetch.store import Store
from imagelock.layers.entries import Kind
from imagelock.layers.untar import Readable, read_tar
from imagelock.model.errors import IntegrityError
from imagelock.model.image import CONFIG, INDEX, LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, MANIFEST
from imagelock.model.names import Sha256
from imagelock.registry.layout import LayoutSource
from imagelock.registry.manifest import LARGEST_MANIFEST, config_platform, parse_object

REFERENCE: Final = "oci:."
"""What an archive's image is called in the source that :func:`archive_source` gives."""

_MOST_LINKS: Final = 8
_PACKED: Final = {b"\x1f\x8b": LAYER_GZIP, b"\x28\xb5": LAYER_ZSTD}
_NAME: Final = "org.opencontainers.image.ref.name"


def archive_source(stream: Readable, folder: Path, *, where: str) -> LayoutSource:
    """Read an archive into an empty folder; the source of :data:`REFERENCE` in it.

    IntegrityError for what is no archive of an image, or is cut short.
    """
    store = Store(folder / "store")
    files = _Files(store, where)
    for entry in read_tar(stream, where=where):
        if entry.kind is Kind.FILE:
            files.add(entry.path, entry.content)
        elif entry.kind in {Kind.SYMLINK, Kind.HARDLINK}:
            files.link(entry.path, entry.link, hard=entry.kind is Kind.HARDLINK)
    if files.find("index.json") is not None and files.find("oci-layout") is not None:
        marker, index = files.small("oci-layout"), files.small("index.json")
    elif files.find("manifest.json") is not None:
        marker, index = b'{"imageLayoutVersion":"1.0.0"}', _index_of_docker(files)
    else:
        raise IntegrityError(
            "expected an archive of an image: it has neither index.json nor manifest.json",
            where=where,
        )
    (folder / "oci-layout").write_bytes(marker)
    (folder / "index.json").write_bytes(index)
    return LayoutSource(store, folder=folder)


@dataclass(frozen=True, slots=True)
class _File:
    sha256: Sha256
    size: int


class _Files:
    """The files of an archive by path, their bytes in a store."""

    def __init__(self, store: Store, where: str) -> None:
        self.store = store
        self.where = where
        self._files: dict[str, _File] = {}
        self._links: dict[str, str] = {}

    def add(self, path: str, content: Iterable[bytes]) -> _File:
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in content:
                size += len(chunk)
                yield chunk

        sha256 = self.store.add(counted(), where=f"{self.where}: {path}")
        self._files[path] = _File(sha256, size)
        return self._files[path]

    def link(self, path: str, target: str, *, hard: bool) -> None:
        """A link: the docker of old wrote one for a layer that is there already."""
        place = target if hard else posixpath.join(posixpath.dirname(path), target)
        self._links[path] = posixpath.normpath(place)

    def find(self, path: str) -> _File | None:
        for _ in range(_MOST_LINKS):
            if path not in self._links:
                break
            path = self._links[path]
        return self._files.get(path)

    def small(self, path: str) -> bytes:
        file = self.find(path)
        if file is None:
            raise IntegrityError("the archive names a file that it does not have", where=path)
        if file.size > LARGEST_MANIFEST:
            raise IntegrityError(
                f"expected at most {LARGEST_MANIFEST} bytes, got {file.size}",
                where=f"{self.where}: {path}",
            )
        return self.store.read(file.sha256)


def _index_of_docker(files: _Files) -> bytes:
    """An index over the images of a manifest.json, their manifests added to the files."""
    where = f"{files.where}: manifest.json"
    try:
        listed = json.loads(files.small("manifest.json"))
        entries = [_manifest_of(item, files) for item in listed]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"expected a list of Config and Layers: {error}", where=where
        ) from None
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def _manifest_of(item: dict[str, Any], files: _Files) -> dict[str, Any]:
    config = files.small(item["Config"])
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(item["Config"], CONFIG, files),
        "layers": [_descriptor(path, _layer_type(path, files), files) for path in item["Layers"]],
    }
    data = json.dumps(manifest).encode()
    made = files.add(f"manifest of {item['Config']}", (data,))
    names = item.get("RepoTags") or ()
    os, _, architecture = config_platform(
        parse_object(config, where=f"{files.where}: {item['Config']}")
    ).partition("/")
    architecture, _, variant = architecture.partition("/")
    platform = {"os": os, "architecture": architecture}
    return {
        "mediaType": MANIFEST,
        "digest": f"sha256:{made.sha256}",
        "size": made.size,
        "platform": platform | ({"variant": variant} if variant else {}),
        "annotations": {_NAME: names[0]} if names else {},
    }


def _descriptor(path: str, media_type: str, files: _Files) -> dict[str, Any]:
    file = files.find(path)
    if file is None:
        raise IntegrityError(
            "the archive names a file that it does not have", where=f"{files.where}: {path}"
        )
    return {"mediaType": media_type, "digest": f"sha256:{file.sha256}", "size": file.size}


def _layer_type(path: str, files: _Files) -> str:
    file = files.find(path)
    if file is None:
        return LAYER_TAR
    with files.store.path(file.sha256).open("rb") as opened:
        return _PACKED.get(opened.read(2), LAYER_TAR)
