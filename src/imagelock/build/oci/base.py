"""The base image of a build, read once and as late as it is needed."""

from __future__ import annotations

from pathlib import Path

from imagelock.build.oci.config import base_diff_ids
from imagelock.build.oci.context import BASE_TITLE, BuildContext
from imagelock.model.errors import BuildError
from imagelock.model.image import BaseImage, BuiltLayer, Descriptor
from imagelock.model.names import digest, hash_of
from imagelock.model.plan import ImagePlan


class Base:
    """What a platform's image stands on; ``layers`` is empty until it was read, or for ever."""

    def __init__(self, plan: ImagePlan, context: BuildContext) -> None:
        self._plan = plan
        self._context = context
        self._image: BaseImage | None = None
        self.layers: tuple[BuiltLayer, ...] = ()

    @property
    def config(self) -> bytes | None:
        """The base's config; None for an image that is made from nothing."""
        return self._image.config if self._image else None

    def read(self) -> None:
        """Ask its source for config and manifest, unless that was done or there is no base."""
        if self._plan.bootstrapped or self._image is not None:
            return
        pin = self._plan.base
        if self._context.source_of is None:
            raise BuildError("there is nothing that reads base images here", where=pin.reference)
        source = self._context.source_of(pin)
        image = source.image(pin.reference, pin.digest, self._plan.platform)
        ids = base_diff_ids(image.config)
        if len(ids) != len(image.layers):
            raise BuildError("the base's config and manifest disagree", where=pin.reference)
        self._image = image
        self.layers = tuple(
            BuiltLayer(
                title=f"{BASE_TITLE}{pin.reference}",
                descriptor=descriptor,
                diff_id=digest(diff_id),
                cached=True,
            )
            for descriptor, diff_id in zip(image.layers, ids, strict=True)
        )

    def blob(self, descriptor: Descriptor) -> Path:
        """The file of a layer: the base's from its source, others from the store."""
        if self._image is not None and descriptor in self._image.layers:
            assert self._context.source_of is not None
            pin = self._plan.base
            return self._context.source_of(pin).layer(pin.reference, descriptor)
        return self._context.store.path(hash_of(descriptor.digest))
