"""``build --push`` and ``exists``: built images into their registry, and are they there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from imagelock.app.context import Context
from imagelock.model.errors import NotFound, UsageError
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient
from imagelock.registry.layout_image import layout_image
from imagelock.registry.push import PushReport, push_image
from imagelock.registry.reference import Reference, parse_reference
from imagelock.registry.referrers import Attachment, attach, read_attachment, referrers
from imagelock.registry.source import RegistrySource

LOCK_KIND: Final = "application/vnd.imagelock.lock.v1"
_LOCK_TYPE: Final = "application/vnd.imagelock.lock.v1+toml"


def push_layout(
    layout: Path,
    reference: str,
    *,
    context: Context,
    lock: Lock | None = None,
    lock_data: bytes | None = None,
    force: bool = False,
) -> PushReport:
    """Push a layout that a build wrote to ``registry/name:tag``.

    Layers of the lock's base that is in the same registry are mounted, not sent. ``lock_data``
    is attached to the image, for :func:`attached_lock`. CheckFailed when the tag names another
    image and ``force`` is not given.
    """
    target = target_reference(reference)
    image = layout_image(layout, origins=base_repositories(lock, target))
    client = RegistryClient(context.http, context.store)
    total = sum(blob.descriptor.size for blob in image.blobs)
    with context.progress.task(f"pushing {target}", total) as task:
        report = push_image(
            client,
            context.store,
            image,
            target,
            force=force,
            progress=lambda _descriptor, size: task.advance(size),
        )
    if lock_data is not None:
        attachment = Attachment(
            kind=LOCK_KIND, media_type=_LOCK_TYPE, title="image.lock", data=lock_data
        )
        attach(client, target, image.top, attachment)
    return report


def attached_lock(reference: str, *, context: Context) -> bytes:
    """The lock attached to an image in a registry. NotFound when there is none.

    UsageError when there are several that differ: then it cannot be said which is meant.
    """
    target = target_reference(reference)
    client = RegistryClient(context.http, context.store)
    head = client.head(target)
    subject = target.digest or (head.digest if head else None)
    found = referrers(client, target, subject, kind=LOCK_KIND) if subject else ()
    if not found:
        raise NotFound(
            "the image has no lock attached",
            where=str(target),
            hint="push it again with `imagelock build --push`",
        )
    if len(found) > 1:
        raise UsageError(
            f"the image has {len(found)} different locks attached",
            where=str(target),
            hint="they were written by hand or by different releases: give the lock's file",
        )
    return read_attachment(client, target, found[0].digest)


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
