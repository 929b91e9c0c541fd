"""Flyte 2's image builder ``imagelock``, by the entry-point group ``flyte.plugins.image_builders``.

``flyte.init(image_builder="imagelock")``, or ``image: {builder: imagelock}`` in its config, chooses
it. An ``Image`` of Flyte 2 is a base and layers. Each layer becomes fields of our ImageSpec, or is
refused by its name: nothing is left out in silence.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagelock.image_spec.spec import ImageSpec
    from imagelock.integrations.flyte_layers import Stage


class NeverThere:
    """Existence is decided where the image is built; Flyte would take unknown for yes."""

    @classmethod
    async def image_exists(
        cls,
        repository: str,  # noqa: ARG003 (Flyte's protocol)
        tag: str,  # noqa: ARG003 (Flyte's protocol)
        arch: tuple[str, ...] = ("linux/amd64",),  # noqa: ARG003 (Flyte's protocol)
    ) -> str | None:
        """None: ask the builder."""
        return None


class ImagelockBuilder:
    """Builds Flyte 2's Images from their locks."""

    async def build_image(
        self,
        image: Any,  # noqa: ANN401 (flyte.Image)
        dry_run: bool = False,  # noqa: FBT001, FBT002 (Flyte's protocol)
        wait: bool = True,  # noqa: ARG002, FBT001, FBT002 (Flyte's protocol)
        force: bool = False,  # noqa: FBT001, FBT002 (Flyte's protocol)
    ) -> Any:  # noqa: ANN401 (flyte's ImageBuild)
        """``registry/name@digest``; what the registry has is not built again, unless forced.

        ``dry_run`` locks, and builds nothing. It is always waited for.
        """
        from flyte._build import ImageBuild

        from imagelock.image_spec.building import make_image

        spec = image_spec_of(image)
        if force:
            spec = _with_id(spec.force_push(), image.uri)
        if dry_run:
            order = await asyncio.to_thread(spec.build_order)
            return ImageBuild(uri=order.reference, remote_run=None)
        made = await asyncio.to_thread(make_image, spec, skip_existing=True)
        return ImageBuild(uri=made.reference, remote_run=None)

    def get_checkers(self) -> list[type[NeverThere]]:
        """One that leaves it to :meth:`build_image`."""
        return [NeverThere]


def image_spec_of(image: Any) -> ImageSpec:  # noqa: ANN401 (flyte.Image)
    """An Image as an ImageSpec whose lock is ``NAME.lock`` in the working folder.

    Layers whose order no single lock can keep are on bases of their own, ``NAME-1.lock`` and so on.
    UsageError names the layer that no lock can hold.
    """
    from imagelock.integrations.flyte_layers import Layers
    from imagelock.integrations.flyte_words import refused

    if image.dockerfile:
        raise refused("a Dockerfile", "say what it installs by the methods of Image")
    if not image.base_image:
        raise refused("an image by a reference's name", "name its base by Image.from_base")
    folder = Path.cwd()
    layers = Layers(folder)
    for layer in image._layers:  # noqa: SLF001 (what every builder of Flyte reads)
        layers.add(layer)
    name = image.name or "flyte"
    *below, top = layers.finish(tuple(image.platform))
    base: str | ImageSpec = image.base_image
    for number, stage in enumerate(below, 1):
        base = _image_spec(f"{name}-{number}", stage, base, image, folder)
    spec = _image_spec(name, top, base, image, folder, registry=image.registry)
    return _with_id(spec, image.uri)


def _image_spec(
    name: str,
    stage: Stage,
    base: str | ImageSpec,
    image: Any,  # noqa: ANN401 (flyte.Image)
    folder: Path,
    *,
    registry: str | None = None,
) -> ImageSpec:
    from imagelock.image_spec.place import Place
    from imagelock.image_spec.spec import ImageSpec

    return ImageSpec(
        name=name,
        registry=registry,
        base_image=base,
        platform=",".join(image.platform),
        **stage.fields,
        more=stage.more or None,
        place=Place(folder, ""),
    )


def _with_id(spec: ImageSpec, uri: str) -> ImageSpec:
    """Flyte's name of the image is what its runtime looks for in the container."""
    object.__setattr__(spec, "id", uri)
    return spec
