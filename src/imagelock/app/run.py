"""``imagelock run``: a command in an image, without a daemon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imagelock.app.context import Context
from imagelock.model.platform import Platform
from imagelock.ports import ImageSource

if TYPE_CHECKING:
    from imagelock.build.oci.builder import BuildContext
    from imagelock.model.lock import Lock


def run_lock(
    lock: Lock, platform: Platform, command: Sequence[str], *, build_context: BuildContext
) -> int:
    """Build what is missing of a lock's image, and run a command in it; its exit status."""
    from imagelock.build.oci.builder import OciBuilder
    from imagelock.build.oci.runner import run_command

    with build_context.store.in_use():
        made = OciBuilder().images(lock, [platform], context=build_context)[0]
        return run_command(
            made.config,
            made.image.layers,
            made.blob_file,
            command,
            store_root=build_context.store.root,
        )


def run_image(
    source: ImageSource,
    reference: str,
    platform: Platform,
    command: Sequence[str],
    *,
    context: Context,
) -> int:
    """Run a command in an image that is somewhere; its exit status."""
    from imagelock.build.oci.config import base_diff_ids
    from imagelock.build.oci.runner import run_command
    from imagelock.model.image import BuiltLayer
    from imagelock.model.names import digest

    image = source.image(reference, source.digest(reference, platform), platform)
    layers = tuple(
        BuiltLayer(title="layer", descriptor=descriptor, diff_id=digest(diff_id), cached=True)
        for descriptor, diff_id in zip(image.layers, base_diff_ids(image.config), strict=True)
    )
    return run_command(
        image.config,
        layers,
        lambda descriptor: source.layer(reference, descriptor),
        command,
        store_root=context.store.root,
    )
