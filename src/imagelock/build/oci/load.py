"""The output ``docker``: a built image into a Docker engine, as one stream.

The stream is an OCI layout with a manifest.json beside it, as `docker save` writes since 25: with
containerd's image store an engine keeps the index and manifests as they are, else it reads
manifest.json and keeps the layers' content. Nothing is written to disk on our side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from imagelock.build.engine import Engine
from imagelock.build.oci.config import canonical, image_index
from imagelock.build.oci.output import Blob, archive_chunks
from imagelock.model.errors import BuildError, NotFound, UsageError
from imagelock.model.image import LAYER_ZSTD, BuiltImage, Descriptor
from imagelock.model.names import hash_of
from imagelock.model.platform import Platform
from imagelock.ports import Progress, Task

_IMAGE_NAME: Final = "io.containerd.image.name"
_FIRST_WITH_ZSTD: Final = (23,)


def loadable_platforms(
    engine: Engine, platforms: Sequence[Platform], *, asked: bool
) -> tuple[Platform, ...]:
    """Which platforms an engine keeps under one name: all with containerd's store, else one.

    That one is the engine's own, or the only one that was ``asked`` for by name. UsageError when
    that does not say which.
    """
    if engine.facts.keeps_manifests or (asked and len(platforms) == 1):
        return tuple(platforms)
    own = engine.facts.platform
    if own in platforms and not asked:
        return (own,)
    listed = ", ".join(map(str, platforms))
    raise UsageError(
        f"the engine keeps one platform a name, and is {own} itself: asked for {listed}",
        where=str(engine.endpoint),
        hint="name one with --platform, or turn on the engine's containerd image store",
    )


def load_image(
    engine: Engine,
    images: Sequence[BuiltImage],
    blobs: Iterable[Blob],
    index: Descriptor,
    reference: str,
    *,
    progress: Progress,
) -> None:
    """Load images under a reference, and see that the engine has what was built.

    Nothing is sent when it has it already. BuildError when it refuses, or keeps something else.
    """
    _refuse_zstd(engine, images)
    if _is_there(engine, images, index, reference):
        return
    listed = tuple(blobs)
    total = sum(blob.descriptor.size for blob in listed)
    named = replace(index, annotations=(*index.annotations, (_IMAGE_NAME, _full_name(reference))))
    chunks = archive_chunks(
        listed,
        image_index([named], {}),
        [("manifest.json", _manifest_json(engine, images, reference))],
    )
    with (
        progress.task(f"loading {reference}", total) as task,
        engine.errors(f"loading {reference}"),
    ):
        for said in engine.client.load_image(_told(chunks, task), quiet=True):
            if "error" in said:
                raise BuildError(
                    f"the engine refused the image: {said['error']}",
                    where=str(engine.endpoint),
                    hint="see the engine's log",
                )
    if not _is_there(engine, images, index, reference):
        raise BuildError(
            f"the engine did not keep {reference} as it was sent",
            where=str(engine.endpoint),
            hint="see the engine's log; an output of oci-archive:FILE can be loaded elsewhere",
        )


def _is_there(
    engine: Engine, images: Sequence[BuiltImage], index: Descriptor, reference: str
) -> bool:
    """Whether the reference names these images; it is given to them when they have another."""
    # An engine's image ID is the config's digest, or the manifest's or index's with containerd.
    wanted = {index.digest} if engine.facts.keeps_manifests else {images[0].image_id}
    if engine.facts.keeps_manifests and len(images) == 1:
        wanted.add(images[0].manifest.digest)
    with engine.errors():
        if _identity(engine, reference) in wanted:
            return True
        for identity in sorted(wanted):
            if _identity(engine, identity) in wanted:
                name, _, tag = reference.rpartition(":")
                engine.client.tag(identity, name, tag, force=True)
                return _identity(engine, reference) in wanted
    return False


def _identity(engine: Engine, name: str) -> str | None:
    try:
        with engine.errors():
            return str(engine.client.inspect_image(name)["Id"])
    except NotFound:
        return None


def _refuse_zstd(engine: Engine, images: Sequence[BuiltImage]) -> None:
    packed = any(
        layer.descriptor.media_type == LAYER_ZSTD for image in images for layer in image.layers
    )
    if packed and engine.facts.product == "Docker" and engine.facts.release < _FIRST_WITH_ZSTD:
        raise BuildError(
            f"{engine.facts} cannot read layers compressed by zstd",
            where=str(engine.endpoint),
            hint='use `options = { compression = "gzip" }` in [builder]',
        )


def _manifest_json(engine: Engine, images: Sequence[BuiltImage], reference: str) -> bytes:
    """What is in the archive, for the one image that a classic store keeps."""
    own = engine.facts.platform
    image = next((one for one in images if one.platform == own), images[0])
    return canonical(
        [
            {
                "Config": f"blobs/sha256/{hash_of(image.image_id)}",
                "RepoTags": [reference],
                "Layers": [
                    f"blobs/sha256/{hash_of(layer.descriptor.digest)}" for layer in image.layers
                ],
            }
        ]
    )


def _full_name(reference: str) -> str:
    """A reference as containerd's image store spells it."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    if "." in first or ":" in first or first == "localhost":
        return reference
    return f"docker.io/{reference}"


def _told(chunks: Iterator[bytes], task: Task) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        task.advance(len(chunk))
