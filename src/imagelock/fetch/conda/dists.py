"""The Python distributions in a conda package: their own METADATA, from any channel.

No service is asked which conda package is which project: the package itself says it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from imagelock.fetch.store import Store
from imagelock.layers.conda.archive import CondaArchive
from imagelock.layers.untar import broken
from imagelock.model.archives import Artifact
from imagelock.resolve.pip.metadata import parse_metadata
from imagelock.resolve.pip.ports import CoreMetadata

_KIND: Final = "conda-distributions-1"
_PATHS: Final = "info/paths.json"
_METADATA: Final = re.compile(
    r"(?:lib/python[0-9.]+t?/)?site-packages/[^/]+"
    r"(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info)"
)
_LARGEST: Final = 8 << 20


def distributions(store: Store, artifact: Artifact) -> tuple[CoreMetadata, ...]:
    """The metadata of every distribution in a package file of the store, sorted by name.

    Read once and remembered. IntegrityError for a file that is no sound package.
    """
    known = store.record(_KIND, artifact.sha256)
    if isinstance(known, list):
        return tuple(map(_remembered, known))
    found = sorted(_read(store.path(artifact.sha256), artifact), key=lambda item: item.name)
    store.keep_record(_KIND, artifact.sha256, [asdict(item) for item in found])
    return tuple(found)


def remembers(store: Store, artifact: Artifact) -> bool:
    """Whether a package need not be read again."""
    return isinstance(store.record(_KIND, artifact.sha256), list)


def _remembered(fields: dict[str, Any]) -> CoreMetadata:
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return CoreMetadata(**{**fields, **lists})


def _read(path: Path, artifact: Artifact) -> Iterator[CoreMetadata]:
    archive = CondaArchive(
        lambda: path.open("rb"),
        filename=artifact.filename,
        where=artifact.filename,
        size=artifact.size,
    )
    wanted = _wanted(archive)
    if not wanted:
        return
    for entry in archive.members():
        if entry.path in wanted:
            if entry.size > _LARGEST:
                raise broken(f"'{entry.path}' has {entry.size} bytes", artifact.filename)
            try:
                yield parse_metadata(b"".join(entry.content))
            except ValueError as error:
                raise broken(f"'{entry.path}': {error}", artifact.filename) from None
            wanted.discard(entry.path)
            if not wanted:
                return


def _wanted(archive: CondaArchive) -> set[str]:
    """The metadata files that a package lists."""
    info = archive.info(lambda found: _PATHS in found)
    try:
        paths = json.loads(info[_PATHS])["paths"]
        return {item["_path"] for item in paths if _METADATA.fullmatch(item["_path"])}
    except (KeyError, TypeError, ValueError):
        raise broken(f"has no {_PATHS} that can be read", archive.where) from None
