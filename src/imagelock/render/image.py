"""The Dockerfile and context of an image: one platform, or all of them in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagelock.model.errors import UsageError
from imagelock.model.plan import ImagePlan
from imagelock.model.platform import Platform
from imagelock.render.dialects import bound_stage, copied_stages
from imagelock.render.model import (
    Dialect,
    Instruction,
    Prepared,
    Rendered,
    Runtime,
    Scrubbing,
    one_line,
)
from imagelock.render.steps import Folder, base_folder, step_folder, uv_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """All that is known of one platform's image.

    ``pulled`` is the reference by digest that FROM names, empty where the base is made or unpacked
    from the context.
    """

    plan: ImagePlan
    steps: tuple[Prepared, ...]
    runtime: Runtime
    epoch: int
    pulled: str = ""


def render_image(
    images: Sequence[PlatformImage],
    *,
    dialect: Dialect,
    reference: str,
    scrubbing: Scrubbing,
) -> Rendered:
    """The image of each platform in a dialect; several platforms in one file for BuildKit alone.

    UsageError for what the dialect cannot do.
    """
    if len(images) > 1 and dialect is not Dialect.BUILDKIT:
        raise UsageError("this dialect holds one platform a file", where=dialect)
    folders: list[Folder] = []
    instructions: list[Instruction] = []
    for image in images:
        several = len(images) > 1
        prefix = f"{platform_folder(image.plan.platform)}/" if several else ""
        own, uv = _folders(image, prefix, scrubbing)
        folders += [*own, *((uv,) if uv else ())]
        start = f"FROM {image.pulled or 'scratch'}"
        if dialect is Dialect.BUILDKIT:
            stage = f"{start} AS {_stage(image.plan.platform)}" if several else start
            instructions += bound_stage(stage, own, uv, image.runtime)
        else:
            instructions += copied_stages(
                start, own, uv, image.runtime, epoch=image.epoch, dialect=dialect
            )
    if len(images) > 1:
        instructions.append(Instruction(text="FROM image-${TARGETARCH}${TARGETVARIANT}"))
    platforms = tuple(image.plan.platform for image in images)
    epoch = max(image.epoch for image in images)
    return Rendered(
        platforms=platforms,
        head=tuple(_head(platforms, dialect, reference, epoch)),
        instructions=tuple(instructions),
        texts=tuple(text for folder in folders for text in folder.texts),
        artifacts=tuple(file for folder in folders for file in folder.artifacts),
        trees=tuple(folder.tree for folder in folders if folder.tree),
        hashed=tuple(folder.name for folder in folders),
        secrets=tuple({s.id: s for folder in folders for s in folder.secrets}.values()),
        epoch=epoch,
    )


def platform_folder(platform: Platform) -> str:
    """What a platform's part of a context is called: ``linux-arm-v7``."""
    return platform.text.replace("/", "-")


def _folders(
    image: PlatformImage, prefix: str, scrubbing: Scrubbing
) -> tuple[tuple[Folder, ...], Folder | None]:
    found = []
    if not image.plan.bootstrapped and not image.pulled:
        found.append(base_folder(prefix, f"base: {image.plan.base.reference}"))
    found += [
        step_folder(image.plan, prepared, number, prefix=prefix, scrubbing=scrubbing)
        for number, prepared in enumerate(image.steps, 1)
    ]
    needs_uv = any(folder.uses_uv for folder in found)
    return tuple(found), uv_folder(image.plan, prefix) if needs_uv else None


def _stage(platform: Platform) -> str:
    return f"image-{platform.architecture}{platform.variant or ''}"


def _head(
    platforms: tuple[Platform, ...], dialect: Dialect, reference: str, epoch: int
) -> Iterator[str]:
    listed = ", ".join(map(str, platforms))
    # Not first in its line: a comment that opens a file may be a directive to the parser.
    yield f"Made by `imagelock render` from the lock of {one_line(reference)}, for {listed}."
    yield "Everything it needs is in this folder, and is checked by hash where it is used:"
    yield ""
    yield from _commands(platforms, dialect, one_line(reference), epoch)


def _commands(
    platforms: tuple[Platform, ...], dialect: Dialect, reference: str, epoch: int
) -> Iterator[str]:
    if dialect is Dialect.DOCKER:
        yield f"  docker build --network none --platform {platforms[0]} --tag {reference} ."
    elif dialect is Dialect.PODMAN:
        yield f"  podman build --network none --platform {platforms[0]} --tag {reference} ."
    else:
        listed = ",".join(map(str, platforms))
        yield f"  docker buildx build --platform {listed} --tag {reference} \\"
        yield f"    --build-arg SOURCE_DATE_EPOCH={epoch} --provenance=false \\"
        yield "    --output type=image,rewrite-timestamp=true ."
