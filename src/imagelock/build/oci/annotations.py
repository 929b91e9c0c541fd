"""Annotations of an image's index: what is a function of its lock (OCI image-spec, annotations.md).

They are on the index and on its entries, so that the manifest of a platform, and its digest, is
the same whatever the image is called. There is no `revision`: which commit a lock was built
from is not a function of the lock.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from imagelock.model.image import Descriptor
from imagelock.model.lock import BaseKind, Lock

_PREFIX: Final = "org.opencontainers.image."


def index_annotations(lock: Lock, tag: str) -> dict[str, str]:
    """Title and version; labels of the spec under the same prefix go before ours."""
    found = {f"{_PREFIX}title": lock.roots.name}
    if tag:
        found[f"{_PREFIX}version"] = tag
    labels = lock.roots.image.labels
    return found | {key: text for key, text in labels if key.startswith(_PREFIX)}


def annotated(manifest: Descriptor, config: bytes, lock: Lock) -> Descriptor:
    """A platform's entry in the index: when it was made, and what it is based on."""
    assert manifest.platform is not None
    found = {f"{_PREFIX}created": str(json.loads(config)["created"])}
    base = lock.base_for(manifest.platform)
    if base.kind is BaseKind.IMAGE:
        # A digest in the reference is the one that stands beside it.
        found[f"{_PREFIX}base.name"] = base.reference.partition("@")[0]
        found[f"{_PREFIX}base.digest"] = base.digest
    return replace(manifest, annotations=tuple(sorted(found.items())))
