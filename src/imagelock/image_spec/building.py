"""An ImageSpec's image: is it there, and is it made; the same for every caller."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.build import BuildOrder, build, stored_layout
from imagelock.app.context import flag, host_context
from imagelock.image_spec.locking import LOG
from imagelock.image_spec.spec import IMAGE_ID, ImageSpec
from imagelock.lock import encode_lock
from imagelock.model.errors import NetworkError
from imagelock.model.image import BuildResult

if TYPE_CHECKING:
    from imagelock.app.context import Context
    from imagelock.model.names import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image that is there: its name by tag and by digest, and the build if there was one."""

    name: str
    reference: str
    result: BuildResult | None


def in_container() -> bool:
    """Whether this process runs in an image of an ImageSpec, where nothing is built."""
    return IMAGE_ID in os.environ


def force_asked(spec: ImageSpec) -> bool:
    """Whether an image that is there is pushed over."""
    return spec.force or flag("FLYTE_FORCE_PUSH_IMAGE_SPEC") or flag("IMAGELOCK_FORCE_PUSH")


def image_is_there(spec: ImageSpec) -> bool | None:
    """See :meth:`ImageSpec.exist`. CheckFailed where there is no lock and may be none."""
    context = host_context()
    order = spec.build_order(context)
    if spec.registry is None:
        return (stored_layout(context, order) / "index.json").is_file()
    return _in_registry(order, context)


def existing_reference(spec: ImageSpec) -> str:
    """``registry/name@digest`` of an image that :func:`image_is_there` found."""
    context = host_context()
    order = spec.build_order(context)
    if spec.registry is not None:
        return _named(order, _pushed_digest(order, context))
    from imagelock.registry.layout import read_index
    from imagelock.registry.manifest import index_entries

    where = f"oci:{stored_layout(context, order)}"
    index = read_index(stored_layout(context, order), where)
    ((built, _platform),) = index_entries(index, where=where)
    return _named(order, built.digest)


def _in_registry(order: BuildOrder, context: Context) -> bool | None:
    from imagelock.app.push import image_exists

    try:
        return image_exists(order.reference, order.lock.platforms, context=context)
    except NetworkError as error:
        LOG.warning("it cannot be said whether %s exists: %s", order.reference, error.message)
        return None


def make_image(
    spec: ImageSpec,
    *,
    builder: str | None = None,
    skip_existing: bool = False,
) -> Made:
    """Build from the lock, and push where the ImageSpec has a registry.

    ``skip_existing``: what the registry has for all platforms is not made again, unless forced.
    FLYTE_PUSH_IMAGE_SPEC with "0" or "false" builds without pushing.
    """
    context = host_context()
    with context.store.in_use():  # until it is pushed
        return _make_image(spec, context, builder, skip_existing=skip_existing)


def _make_image(
    spec: ImageSpec, context: Context, builder: str | None, *, skip_existing: bool
) -> Made:
    found = spec.build_order(context)
    pushes = spec.registry is not None and flag("FLYTE_PUSH_IMAGE_SPEC", default=True)
    force = force_asked(spec)
    if skip_existing and pushes and not force and _in_registry(found, context):
        LOG.info("%s is there already", found.reference)
        reference = _named(found, _pushed_digest(found, context))
        return Made(name=found.reference, reference=reference, result=None)
    layout = stored_layout(context, found)
    LOG.info("building %s", found.reference)
    result = build(
        found,
        found.lock.platforms,
        output=f"oci:{layout}",
        context=context,
        builder=builder,
        layer_done=lambda layer: LOG.info(
            "%s %s", "reused" if layer.cached else "made", layer.title
        ),
    )
    if pushes:
        _push(found, layout, context, force=force)
    reference = _named(found, result.index.digest)
    return Made(name=found.reference, reference=reference, result=result)


def _push(order: BuildOrder, layout: Path, context: Context, *, force: bool) -> None:
    from imagelock.app.push import push_layout

    pushed = push_layout(
        layout,
        order.reference,
        context=context,
        lock=order.lock,
        lock_data=encode_lock(order.lock),
        force=force,
    )
    LOG.info("pushed %s", pushed.reference)


def _pushed_digest(order: BuildOrder, context: Context) -> Digest:
    from imagelock.app.push import target_reference
    from imagelock.model.errors import NotFound
    from imagelock.registry.client import RegistryClient

    target = target_reference(order.reference)
    head = RegistryClient(context.http, context.store).head(target)
    if head is None or head.digest is None:
        raise NotFound("the image has gone while it was looked at", where=order.reference)
    return head.digest


def _named(order: BuildOrder, digest: Digest) -> str:
    """``registry/name@digest``: what cannot come to mean another image."""
    name, _, _tag = order.reference.rpartition(":")
    return f"{name}@{digest}"
