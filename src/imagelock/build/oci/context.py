"""What a build is given of the outside, and the image it makes of a platform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imagelock.build.oci.cache import SharedLayers
from imagelock.build.oci.compare import Difference, LayerFile
from imagelock.build.oci.output import Blob
from imagelock.fetch.store import Store
from imagelock.model.archives import Archive, Artifact
from imagelock.model.image import BuiltImage, BuiltLayer, Descriptor
from imagelock.model.lock import BasePin
from imagelock.ports import ImageSource, NoProgress, Progress

BASE_TITLE: Final = "from "
"""What the title of a layer that was read with its base begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What a build asks of the outside.

    ``folder`` is where copies and sources are relative to. ``source_of`` gives what reads a base
    image. ``step_done`` is told of each layer as it is there. ``shared_from`` and ``shared_to``
    are where a team keeps its layers. ``run_checked``: every run is made twice, and this is told
    in what it was unlike itself. ``progress`` is told of what takes long, ``said`` of the steps
    an engine is at.
    """

    store: Store
    fetch: Callable[[Sequence[Artifact], tuple[Archive, ...]], dict[str, Path]]
    folder: Path
    source_of: Callable[[BasePin], ImageSource] | None = None
    step_done: Callable[[BuiltLayer], None] = field(default=lambda _layer: None)
    shared_from: SharedLayers | None = None
    shared_to: SharedLayers | None = None
    run_checked: Callable[[tuple[Difference, ...]], None] | None = None
    progress: Progress = field(default_factory=NoProgress)
    said: Callable[[str], None] = field(default=lambda _line: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeImage:
    """One platform's image, its config, and the blobs it needs."""

    image: BuiltImage
    config: bytes
    blobs: tuple[Blob, ...]

    def blob_file(self, descriptor: Descriptor) -> Path:
        """The file of a layer. KeyError for another blob."""
        for blob in self.blobs:
            if blob.descriptor == descriptor and not isinstance(blob.source, bytes):
                return blob.source()
        raise KeyError(descriptor.digest)

    def layer_files(self) -> list[LayerFile]:
        """The layers of its own, with their files; the base's are what they are."""
        own = (layer for layer in self.image.layers if not layer.title.startswith(BASE_TITLE))
        return [LayerFile(layer, self.blob_file(layer.descriptor)) for layer in own]
