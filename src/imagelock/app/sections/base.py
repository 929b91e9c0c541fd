"""The base section of a lock: the digest of the base, and what it contains.

A tag is asked for its digest once; from then on the lock's digest is kept until the spec's
reference changes or an upgrade is asked for. What the layers hold is kept in the store by
manifest digest, so a second lock reads no layer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.base_venv import check_venv
from imagelock.model.base import BaseContents
from imagelock.model.errors import NoSolution, UsageError
from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.lock import CONDA_PREFIX, BaseKind, BasePin, Lock
from imagelock.model.names import Digest, sha256
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase, ImageBase, LayoutBase, Spec, SpecBase
from imagelock.ports import ImageSource
from imagelock.resolve.base import contents_of_layers, contents_of_pins
from imagelock.resolve.base.record import contents_from_json, contents_to_json

__all__ = [
    "BaseSection",
    "base_section",
    "contents_of_image",
    "contents_of_pins",
    "fetch_bases",
    "image_source",
]

_RECORDS: Final = "base-contents-5"
_PARALLEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSection:
    """The base of one platform and what is in it."""

    pin: BasePin
    contents: BaseContents


def base_section(
    spec: Spec,
    platform: Platform,
    *,
    context: Context,
    options: ResolveOptions,
    previous: Lock | None,
    spec_folder: Path,
) -> BaseSection:
    """Pin an image, layout or spec base. NotFound when it has nothing for the platform.

    UsageError when packages are asked for on a base that has an environment where theirs would
    go, and they cannot join those in it: conda's never, pip's where it has no Python or theirs is
    conda's.
    """
    kind, reference = _asked(spec)
    source = image_source(kind, context=context, folder=spec_folder)
    digest = _kept(kind, reference, platform, options, previous)
    image = None
    if digest is None:
        digest = source.digest(reference, platform)
        image = source.image(reference, digest, platform)
        _check_age(reference, image, options.as_of)
    contents = contents_of_image(source, reference, digest, platform, context=context, image=image)
    if spec.has_pip and spec.pip.python_exec is None and contents.has_venv:
        check_venv(contents, reference, conda=spec.has_conda)
    if spec.has_conda and contents.has_conda:
        raise UsageError(
            f"the base has a conda environment at {CONDA_PREFIX} already",
            where=f"base: {reference}",
            hint="choose a base without one, or put the conda packages of both into one spec",
        )
    status = contents.dpkg_status
    pin = BasePin(
        kind=kind,
        reference=reference,
        digest=digest,
        platforms=(platform,),
        libc=contents.libc,
        dpkg_status=None if status is None else context.store.add_bytes(status),
    )
    return BaseSection(pin=pin, contents=contents)


def image_source(kind: BaseKind, *, context: Context, folder: Path) -> ImageSource:
    """Where bases of a kind are read from; layouts and specs are relative to ``folder``."""
    if kind is BaseKind.LAYOUT:
        from imagelock.registry.layout import LayoutSource

        return LayoutSource(context.store, folder=folder)
    if kind is BaseKind.SPEC:
        from imagelock.app.spec_base import SpecSource

        return SpecSource(context, folder=folder)
    from imagelock.registry.client import RegistryClient
    from imagelock.registry.source import RegistrySource

    return RegistrySource(RegistryClient(context.http, context.store), context.store)


def contents_of_image(
    source: ImageSource,
    reference: str,
    digest: Digest,
    platform: Platform,
    *,
    context: Context,
    image: BaseImage | None = None,
) -> BaseContents:
    """What an image contains, from the store when it was read before."""
    kept = _recorded(context, digest)
    if kept is not None:
        return kept
    image = image or source.image(reference, digest, platform)
    config = json.loads(image.config)
    diff_ids = config["rootfs"]["diff_ids"]
    paths = _layer_files(source, reference, image, context)
    with ExitStack() as stack:
        layers = [
            (f"{reference}: layer {layer.digest}", stack.enter_context(path.open("rb")), str(diff))
            for layer, path, diff in zip(image.layers, paths, diff_ids, strict=True)
        ]
        contents = contents_of_layers(layers, environment=_environment(config))
    data = contents_to_json(contents)
    context.store.keep_record(_RECORDS, digest, {"contents": context.store.add_bytes(data)})
    return contents


def fetch_bases(
    lock: Lock, platforms: Iterable[Platform], *, context: Context, folder: Path
) -> int:
    """Bring what a build reads of the bases into the store; the number of bytes of their layers.

    ``folder`` is the spec's. Distributions have no image: their packages are artifacts.
    """
    size = 0
    for platform in platforms:
        pin = lock.base_for(platform)
        if pin.kind is not BaseKind.DISTRIBUTION:
            source = image_source(pin.kind, context=context, folder=folder)
            image = source.image(pin.reference, pin.digest, platform)
            _layer_files(source, pin.reference, image, context)
            size += sum(layer.size for layer in image.layers)
    return size


def _layer_files(
    source: ImageSource, reference: str, image: BaseImage, context: Context
) -> list[Path]:
    """The files of all layers, the lowest first; several are fetched at a time."""
    from concurrent.futures import ThreadPoolExecutor

    total = sum(layer.size for layer in image.layers)
    with (
        context.progress.task(f"base {reference}", total) as task,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):

        def one(layer: Descriptor) -> Path:
            path = source.layer(reference, layer)
            task.advance(layer.size)
            return path

        futures = [pool.submit(one, layer) for layer in image.layers]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _recorded(context: Context, digest: Digest) -> BaseContents | None:
    record = context.store.record(_RECORDS, digest)
    named = record.get("contents") if isinstance(record, dict) else None
    try:
        return contents_from_json(context.store.read(sha256(named))) if named else None
    except (KeyError, ValueError):
        return None


def _asked(spec: Spec) -> tuple[BaseKind, str]:
    match spec.base:
        case ImageBase(image=image):
            return BaseKind.IMAGE, image
        case LayoutBase(layout=layout):
            return BaseKind.LAYOUT, layout
        case SpecBase(spec=other):
            return BaseKind.SPEC, other
        case DistributionBase(distribution=name):
            msg = f"{name} is resolved elsewhere"
            raise TypeError(msg)


def _kept(
    kind: BaseKind,
    reference: str,
    platform: Platform,
    options: ResolveOptions,
    previous: Lock | None,
) -> Digest | None:
    """The digest of the previous lock when it is for the same reference and may stay."""
    if previous is None or options.may_move("base") or options.may_move(reference):
        return None
    same = (
        pin.digest
        for pin in previous.bases
        if (pin.kind, pin.reference) == (kind, reference) and platform in pin.platforms
    )
    return next(same, None)


def _environment(config: dict[str, dict[str, object]]) -> dict[str, str]:
    listed = (config.get("config") or {}).get("Env")
    pairs = (str(line).partition("=") for line in listed) if isinstance(listed, list) else ()
    return {name: value for name, _, value in pairs}


def _check_age(reference: str, image: BaseImage, as_of: datetime | None) -> None:
    """A registry cannot say what a tag named on a day; an image made later was not it."""
    created = json.loads(image.config).get("created")
    if as_of is None or "@" in reference or not isinstance(created, str):
        return
    try:
        made = datetime.fromisoformat(created)
    except ValueError:
        return
    if made.tzinfo is not None and made > as_of:
        raise NoSolution(
            f"the tag names an image made {created}, after {as_of:%Y-%m-%dT%H:%M:%SZ}",
            where=f"base.image: {reference}",
            hint="registries keep no history of tags: give the digest of that day's image",
        )
