"""Layers put together to an image: its config and its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

from imagelock.build.oci.base import Base
from imagelock.build.oci.cache import CachedLayer
from imagelock.build.oci.conda import notices
from imagelock.build.oci.config import config_descriptor, image_config, image_manifest
from imagelock.build.oci.context import MadeImage
from imagelock.build.oci.output import Blob
from imagelock.model.image import MANIFEST, BuiltImage, Descriptor
from imagelock.model.lock import BuiltWheel
from imagelock.model.names import digest, sha256
from imagelock.model.plan import AnyStep, ConfigChange, SourceWheelStep
from imagelock.model.platform import Platform


def assembled(
    platform: Platform,
    base: Base,
    made: Sequence[CachedLayer],
    steps: Sequence[AnyStep],
    *,
    config: ConfigChange,
    epoch: int,
) -> MadeImage:
    """The image of the layers ``made``, each for one of the ``steps``, over the base."""
    own = [item.layer for item in made if not item.empty]
    layers = base.layers + tuple(own)
    written = image_config(base.config, platform, config, own, epoch=epoch)
    config_blob = config_descriptor(written, _digest(written))
    manifest = image_manifest(config_blob, [layer.descriptor for layer in layers])
    descriptor = Descriptor(
        media_type=MANIFEST,
        digest=digest(_digest(manifest)),
        size=len(manifest),
        platform=platform,
    )
    blobs = (
        *(
            Blob(descriptor=layer.descriptor, source=partial(base.blob, layer.descriptor))
            for layer in layers
        ),
        Blob(descriptor=config_blob, source=written),
        Blob(descriptor=descriptor, source=manifest),
    )
    image = BuiltImage(
        platform=platform,
        manifest=descriptor,
        image_id=config_blob.digest,
        layers=layers,
        wheels=_built_wheels(made, steps),
        notices=notices(item.notes for item in made),
    )
    return MadeImage(image=image, config=written, blobs=blobs)


def _built_wheels(made: Sequence[CachedLayer], steps: Sequence[AnyStep]) -> tuple[BuiltWheel, ...]:
    """The wheels that were built, by package."""
    built = (
        BuiltWheel(name=step.pin.name, sha256=sha256(str(item.notes["wheel"])))
        for item, step in zip(made, steps, strict=True)
        if isinstance(step, SourceWheelStep) and "wheel" in item.notes
    )
    return tuple(sorted(built))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
