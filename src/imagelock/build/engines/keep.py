"""Built images into the engine that `docker` uses."""

from __future__ import annotations

from collections.abc import Sequence

from imagelock.build.engine import Engine
from imagelock.build.oci.builder import with_index
from imagelock.build.oci.context import MadeImage
from imagelock.build.oci.load import load_image, loadable_platforms
from imagelock.ports import NoProgress


def load_made(engine: Engine, made: Sequence[MadeImage], tag: str, reference: str) -> None:
    """Load images under a reference. UsageError when the engine cannot keep all of them."""
    loadable_platforms(engine, [one.image.platform for one in made], asked=True)
    blobs, index = with_index(made, tag)
    images = tuple(one.image for one in made)
    load_image(engine, images, blobs, index, reference, progress=NoProgress())
