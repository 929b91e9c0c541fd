"""``build --record`` and ``build --check``: what a build gave, kept beside the lock and held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.build import BuildOrder, build_context
from imagelock.app.context import Context
from imagelock.app.files import load_lock, write_whole
from imagelock.app.writers import only_writer
from imagelock.lock import encode_lock, tag_digest
from imagelock.model.errors import CheckFailed
from imagelock.model.image import BuildResult
from imagelock.model.lock import ImageRecord
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from imagelock.build.oci.compare import Difference


def record_images(path: Path, order: BuildOrder, result: BuildResult, *, context: Context) -> bool:
    """Write what was built into the lock; whether the file changed. The tag stays the same.

    What other builds recorded meanwhile stays. CheckFailed when the lock is another one by now.
    """
    with only_writer(path, context):
        return _record_images(path, order, result)


def _record_images(path: Path, order: BuildOrder, result: BuildResult) -> bool:
    lock = load_lock(path)
    if tag_digest(lock) != tag_digest(order.lock):
        raise CheckFailed(
            "the lock has changed while it was built, so that nothing is recorded in it",
            where=str(path),
            hint="build it again",
        )
    built = tuple(
        ImageRecord(
            platform=image.platform,
            manifest_digest=image.manifest.digest,
            image_id=image.image_id,
            wheels=image.wheels,
        )
        for image in result.images
    )
    platforms = {record.platform for record in built}
    others = tuple(record for record in lock.images if record.platform not in platforms)
    data = encode_lock(replace(lock, images=(*others, *built)))
    if data == path.read_bytes():
        return False
    write_whole(path, data)
    return True


def unlike_records(order: BuildOrder, result: BuildResult) -> tuple[str, ...]:
    """A line for each image, and each wheel built for it, whose digest is not the recorded one."""
    recorded = {record.platform: record for record in order.lock.images}
    return (*_unlike_images(recorded, result), *_unlike_wheels(recorded, result))


def _unlike_wheels(recorded: Mapping[Platform, ImageRecord], result: BuildResult) -> Iterator[str]:
    for image in result.images:
        record = recorded.get(image.platform)
        before = {wheel.name: wheel.sha256 for wheel in record.wheels} if record else {}
        for wheel in image.wheels:
            if before.get(wheel.name, wheel.sha256) != wheel.sha256:
                yield (
                    f"{image.platform}: the wheel of {wheel.name} was recorded as"
                    f" {before[wheel.name]}, built as {wheel.sha256}"
                )


def _unlike_images(
    recorded: Mapping[Platform, ImageRecord], result: BuildResult
) -> tuple[str, ...]:
    return tuple(
        f"{image.platform}: recorded {recorded[image.platform].manifest_digest}, "
        f"built {image.manifest.digest}"
        for image in result.images
        if image.platform in recorded
        and recorded[image.platform].manifest_digest != image.manifest.digest
    )


def rebuild_differences(
    order: BuildOrder, platforms: Sequence[Platform], *, context: Context
) -> tuple[Difference, ...]:
    """Build everything once more from the artifacts; the first difference of each platform."""
    from imagelock.build.oci.builder import OciBuilder

    with context.store.in_use():
        return OciBuilder().check(
            order.lock, platforms, context=build_context(order, context=context)
        )
