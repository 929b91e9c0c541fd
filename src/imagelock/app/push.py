"""``build --push`` and ``exists``: built images into their registry, and are they there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imagelock.app.context import Context
from imagelock.model.errors import UsageError
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient
from imagelock.registry.layout_image import layout_image
from imagelock.registry.push import PushReport, push_image
from imagelock.registry.reference import Reference, parse_reference
from imagelock.registry.source import RegistrySource


def push_layout(
    layout: Path,
    reference: str,
    *,
    context: Context,
    lock: Lock | None = None,
    force: bool = False,
) -> PushReport:
    """Push a layout that a build wrote to ``registry/name:tag``.

    Layers of the lock's base that is in the same registry are mounted, not sent. CheckFailed
    when the tag names another image and ``force`` is not given.
    """
    target = target_reference(reference)
    image = layout_image(layout, origins=base_repositories(lock, target))
    client = RegistryClient(context.http, context.store)
    total = sum(blob.descriptor.size for blob in image.blobs)
    with context.progress.task(f"pushing {target}", total) as task:
        return push_image(
            client,
            context.store,
            image,
            target,
            force=force,
            progress=lambda _descriptor, size: task.advance(size),
        )


def image_exists(reference: str, platforms: Iterable[Platform], *, context: Context) -> bool | None:
    """Whether a registry has the image for all platforms: True, False, or None for unknown."""
    target = target_reference(reference)
    source = RegistrySource(RegistryClient(context.http, context.store), context.store)
    answers = [source.exists(str(target), platform) for platform in platforms]
    if False in answers:
        return False
    return None if None in answers else True


def target_reference(text: str) -> Reference:
    """A reference that names its registry. UsageError for one that means docker's hub by default.

    ``name:tag`` alone would be the hub's ``library/name``, where nobody may push.
    """
    first, slash, _ = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        raise UsageError(
            "expected an image with its registry",
            where=f"image '{text}'",
            hint='set `registry` in the spec, like "registry.example/team" or "docker.io/team"',
        )
    return parse_reference(text)


def base_repositories(lock: Lock | None, target: Reference) -> tuple[str, ...]:
    """The repositories of the lock's bases that are in the target's registry."""
    bases = lock.bases if lock else ()
    parsed = [parse_reference(pin.reference) for pin in bases if pin.kind is BaseKind.IMAGE]
    return tuple(dict.fromkeys(one.repository for one in parsed if one.registry == target.registry))
