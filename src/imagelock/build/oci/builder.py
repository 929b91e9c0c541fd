"""The embedded builder: images of all platforms, and the index written over them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from imagelock.build.oci.annotations import annotated, index_annotations
from imagelock.build.oci.beside import give_way
from imagelock.build.oci.cache import LayerCache
from imagelock.build.oci.compare import Difference, first_difference
from imagelock.build.oci.config import (
    image_index,
)
from imagelock.build.oci.context import BuildContext, MadeImage
from imagelock.build.oci.image import PlatformBuild
from imagelock.build.oci.output import Blob, parse_output, write_output
from imagelock.layers.gzip import Compression
from imagelock.model.errors import UsageError
from imagelock.model.image import (
    INDEX,
    BuildResult,
    Descriptor,
)
from imagelock.model.lock import Lock
from imagelock.model.names import digest
from imagelock.model.platform import Platform
from imagelock.plan import plan_image

_THREADS: Final = 4
REF_NAME: Final = "org.opencontainers.image.ref.name"

__all__ = ["BuildContext", "MadeImage", "OciBuilder", "compression_of"]


class OciBuilder:
    """Builds locks into OCI layouts and archives, without a daemon."""

    name = "oci"

    def __init__(self, *, compression: Compression | None = None, fresh: bool = False) -> None:
        self._compression = compression
        self._fresh = fresh

    def build(
        self,
        lock: Lock,
        platforms: Sequence[Platform],
        output: str,
        *,
        context: BuildContext,
        tag: str = "",
        reference: str = "",
    ) -> BuildResult:
        """Build the image of each platform and write them to ``output`` with an index over all.

        ``output`` is ``oci:DIR``, ``oci-archive:FILE`` or ``docker``. ``tag`` names the image in
        the index, ``reference`` in an engine.
        IntegrityError for wrong bytes, BuildError when a sandbox says no.
        """
        kind, path = parse_output(output)
        if kind == "docker":
            return self._load(lock, platforms, context=context, tag=tag, reference=reference)
        made = self.images(lock, platforms, context=context)
        blobs, descriptor = with_index(made, tag, lock)
        write_output(kind, path, blobs, image_index([descriptor], {}))
        return BuildResult(
            tag=tag,
            reference=reference or output,
            index=descriptor,
            images=tuple(item.image for item in made),
        )

    def _load(
        self,
        lock: Lock,
        platforms: Sequence[Platform],
        *,
        context: BuildContext,
        tag: str,
        reference: str,
    ) -> BuildResult:
        """Build what the engine can keep, and load it there under its reference."""
        from imagelock.build.engine import connected
        from imagelock.build.oci.load import load_image, loadable_platforms

        with connected() as engine:
            kept = loadable_platforms(engine, _wanted(lock, platforms), asked=bool(platforms))
            made = self.images(lock, kept, context=context)
            blobs, descriptor = with_index(made, tag, lock)
            images = tuple(item.image for item in made)
            load_image(engine, images, blobs, descriptor, reference, progress=context.progress)
            return BuildResult(
                tag=tag,
                reference=reference,
                index=descriptor,
                images=images,
                engine=str(engine.facts),
            )

    def check(
        self, lock: Lock, platforms: Sequence[Platform], *, context: BuildContext
    ) -> tuple[Difference, ...]:
        """Build everything once more, with no layer made before, and compare.

        The first difference of each platform; empty when the images are the same. Runs, the only
        steps that may be unlike themselves by their own doing, are so found out as well.
        """
        before = self.images(lock, platforms, context=context)
        again = OciBuilder(compression=self._compression, fresh=True)
        after = again.images(lock, platforms, context=context)
        found = (
            first_difference(one.image.platform, one.layer_files(), other.layer_files())
            for one, other in zip(before, after, strict=True)
        )
        return tuple(difference for difference in found if difference is not None)

    def images(
        self, lock: Lock, platforms: Sequence[Platform], *, context: BuildContext
    ) -> list[MadeImage]:
        """The images with their layers in the store, written nowhere; sorted by platform."""
        with ThreadPoolExecutor(_THREADS, initializer=give_way) as pool:
            cache = LayerCache(
                context.store,
                self._compression or compression_of(lock),
                pool,
                self._fresh,
                shared_from=context.shared_from,
                shared_to=context.shared_to,
                progress=context.progress,
            )
            builds = [
                PlatformBuild(lock, plan_image(lock, platform), context, cache)
                for platform in _wanted(lock, platforms)
            ]
            for build in builds:
                build.refuse_unrunnable()
            return [build.run() for build in builds]


def with_index(
    made: Sequence[MadeImage], tag: str, lock: Lock | None = None
) -> tuple[list[Blob], Descriptor]:
    """All blobs of the images, and the index over them, the last of the blobs.

    With the ``lock`` the index says what the image is.
    """
    manifests = [
        annotated(item.image.manifest, item.config, lock) if lock else item.image.manifest
        for item in made
    ]
    index = image_index(manifests, index_annotations(lock, tag) if lock else {})
    descriptor = Descriptor(
        media_type=INDEX,
        digest=digest(f"sha256:{hashlib.sha256(index).hexdigest()}"),
        size=len(index),
        annotations=((REF_NAME, tag),) if tag else (),
    )
    blobs = [blob for item in made for blob in item.blobs]
    return [*blobs, Blob(descriptor=descriptor, source=index)], descriptor


def compression_of(lock: Lock) -> Compression:
    """What ``[builder] options`` say: ``compression`` is gzip (the default), zstd or none."""
    builder = lock.roots.builder
    # Another builder's options are none of ours when the call chose this one.
    options = dict(builder.options) if builder.name == OciBuilder.name else {}
    wanted = str(options.pop("compression", Compression.GZIP))
    if options or wanted not in set(Compression):
        problem = f"unknown option '{min(options)}'" if options else f"got '{wanted}'"
        raise UsageError(
            f'{problem}: expected compression = "gzip", "zstd" or "none"',
            where="builder.options",
            hint="engines before Docker 23 cannot pull zstd",
        )
    return Compression(wanted)


def _wanted(lock: Lock, platforms: Sequence[Platform]) -> list[Platform]:
    missing = [platform.text for platform in platforms if platform not in lock.platforms]
    if missing:
        raise UsageError(
            f"the lock is not for {', '.join(missing)}",
            where="--platform",
            hint=f"it is for {', '.join(p.text for p in lock.platforms)}",
        )
    return sorted(set(platforms)) or list(lock.platforms)
