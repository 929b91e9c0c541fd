"""Manifests and indexes: bytes to values, and the choice of a platform.

OCI image-spec (manifest.md, image-index.md, descriptor.md) and Docker's schema 2. Nothing here
trusts its input: every field is checked, and a wrong one is an IntegrityError with its path.
"""

from __future__ import annotations

import json
from typing import Final

from imagelock.model.errors import IntegrityError, NotFound
from imagelock.model.image import (
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    INDEX,
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST,
    BaseImage,
    Descriptor,
)
from imagelock.model.names import digest as checked_digest
from imagelock.model.platform import Platform

MANIFEST_TYPES: Final = (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
ACCEPT: Final = ", ".join(MANIFEST_TYPES)
INDEX_TYPES: Final = frozenset({INDEX, DOCKER_INDEX})
LARGEST_MANIFEST: Final = 4 << 20
"""Registries must take manifests of 4 MiB (distribution-spec); larger ones are refused."""
_RUNTIME_SHAPES: Final = {
    **dict.fromkeys(("Env", "Entrypoint", "Cmd"), list),
    **dict.fromkeys(("User", "WorkingDir"), str),
    "Labels": dict,
}
_LAYER_TYPES: Final = frozenset(
    {
        LAYER_TAR,
        LAYER_GZIP,
        LAYER_ZSTD,
        DOCKER_LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
)
_NO_LAYER: Final = "foreign.diff", "nondistributable"
_VARIANTS: Final = {"amd64": ("", "v1"), "arm64": ("", "v8"), "arm": ("v7", "")}


def parse_manifest(data: bytes, *, where: str) -> dict[str, object]:
    """A manifest or index as a table with its ``mediaType`` filled in. IntegrityError."""
    if len(data) > LARGEST_MANIFEST:
        raise IntegrityError(
            f"expected a manifest of at most {LARGEST_MANIFEST} bytes, got {len(data)}", where=where
        )
    table = parse_object(data, where=where)
    media_type = table.get("mediaType")
    if media_type is None:
        media_type = INDEX if "manifests" in table else MANIFEST
    if media_type not in MANIFEST_TYPES or table.get("schemaVersion") != 2:
        raise IntegrityError(
            f"expected an OCI or Docker schema 2 manifest, got '{media_type}'",
            where=where,
            hint="push the image again with a newer client: older formats carry no digests",
        )
    both = "manifests" in table and ("layers" in table or "config" in table)
    if both or ("manifests" in table) != (media_type in INDEX_TYPES):
        raise IntegrityError(
            f"the fields are not those of its type '{media_type}'",
            where=where,
            hint="the manifest is ambiguous and may be an attack: do not use it",
        )
    return {**table, "mediaType": media_type}


def parse_object(data: bytes, *, where: str) -> dict[str, object]:
    """A JSON object, or an IntegrityError."""
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise IntegrityError("expected a JSON object", where=where)
    return table


def is_index(manifest: dict[str, object]) -> bool:
    """Whether :func:`parse_manifest` gave an index."""
    return manifest["mediaType"] in INDEX_TYPES


def parse_descriptor(value: object, *, where: str) -> Descriptor:
    """A descriptor; its platform is filled in when it is one of the known ones."""
    if not isinstance(value, dict):
        raise IntegrityError("expected a descriptor", where=where)
    media_type, size, digest_text = value.get("mediaType"), value.get("size"), value.get("digest")
    if not isinstance(media_type, str) or not isinstance(digest_text, str):
        raise IntegrityError("expected a media type and a digest", where=where)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise IntegrityError(f"expected a size in bytes, got {size!r}", where=where)
    try:
        digest = checked_digest(digest_text)
    except ValueError as error:
        raise IntegrityError(str(error), where=where) from None
    annotations = value.get("annotations")
    pairs = annotations.items() if isinstance(annotations, dict) else ()
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=_known_platform(value.get("platform")),
        annotations=tuple(sorted((str(key), str(text)) for key, text in pairs)),
    )


def index_entries(index: dict[str, object], *, where: str) -> tuple[tuple[Descriptor, str], ...]:
    """The entries of an index, each with its platform as written (empty when it has none)."""
    listed = index.get("manifests")
    if not isinstance(listed, list):
        raise IntegrityError("expected a list of manifests", where=where)
    return tuple(
        (parse_descriptor(entry, where=f"{where}: manifests[{number}]"), _platform_text(entry))
        for number, entry in enumerate(listed)
    )


def choose(
    entries: tuple[tuple[Descriptor, str], ...], platform: Platform
) -> tuple[Descriptor, ...]:
    """The entries that say they are for a platform, the best variant first."""
    prefix = f"{platform.os}/{platform.architecture}"
    wanted = _VARIANTS.get(platform.architecture, ("",))
    spellings = [f"{prefix}/{variant}" if variant else prefix for variant in wanted]
    return tuple(
        descriptor
        for spelling in spellings
        for descriptor, text in entries
        if text == spelling and descriptor.media_type in MANIFEST_TYPES
    )


def no_platform(where: str, platform: Platform, found: list[str]) -> NotFound:
    """The error for an image that is not there for a platform."""
    listed = ", ".join(sorted({text for text in found if text})) or "no platform"
    return NotFound(
        f"has no image for {platform}; it has {listed}",
        where=where,
        hint="choose a base that has it, or leave the platform out of `platforms`",
    )


def base_image(
    manifest: dict[str, object], descriptor: Descriptor, config: bytes, platform: Platform
) -> BaseImage:
    """A checked image: known layer types, and a config for this platform with as many layers."""
    where = descriptor.digest
    layers = _layers(manifest, where=where)
    table = parse_object(config, where=f"{where}: config")
    found = config_platform(table)
    if not platform_fits(found, platform):
        raise IntegrityError(
            f"expected an image for {platform}, but its config says {found}", where=where
        )
    rootfs = table.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(layers):
        raise IntegrityError(
            f"expected {len(layers)} diff IDs in the config, one a layer", where=where
        )
    _refuse_other_shapes(table, where)
    return BaseImage(platform=platform, manifest=descriptor, config=config, layers=layers)


def _refuse_other_shapes(config: dict[str, object], where: str) -> None:
    """IntegrityError for a runtime config of other JSON types than config.md names."""
    runtime = config.get("config")
    if runtime is not None and not isinstance(runtime, dict):
        raise IntegrityError("'config' of the image's config is no object", where=where)
    for key, shape in _RUNTIME_SHAPES.items():
        value = (runtime or {}).get(key)
        items = value.values() if isinstance(value, dict) else value or ()
        if value is not None and not (
            isinstance(value, shape) and all(isinstance(item, str) for item in items)
        ):
            raise IntegrityError(f"'config.{key}' of the image's config is malformed", where=where)


def config_descriptor(manifest: dict[str, object], *, where: str) -> Descriptor:
    """The descriptor of a manifest's config."""
    return parse_descriptor(manifest.get("config"), where=f"{where}: config")


def config_platform(config: dict[str, object]) -> str:
    """The platform a config says it is for, as ``os/architecture[/variant]``."""
    return _joined(config.get("os"), config.get("architecture"), config.get("variant"))


def platform_fits(text: str, platform: Platform) -> bool:
    """Whether an image of this platform text runs on a platform."""
    prefix = f"{platform.os}/{platform.architecture}"
    variants = _VARIANTS.get(platform.architecture, ("",))
    return text in {f"{prefix}/{variant}" if variant else prefix for variant in variants}


def _layers(manifest: dict[str, object], *, where: str) -> tuple[Descriptor, ...]:
    listed = manifest.get("layers")
    if not isinstance(listed, list):
        raise IntegrityError("expected a list of layers", where=where)
    layers = []
    for number, entry in enumerate(listed):
        layer = parse_descriptor(entry, where=f"{where}: layers[{number}]")
        if layer.media_type not in _LAYER_TYPES:
            reason = (
                "a layer that may not be distributed"
                if any(word in layer.media_type for word in _NO_LAYER)
                else "no image layer: this is an artifact of another kind"
            )
            raise IntegrityError(
                f"expected a tar layer, got '{layer.media_type}', {reason}",
                where=f"{where}: layers[{number}]",
                hint="choose an image of Linux file system layers as the base",
            )
        layers.append(layer)
    return tuple(layers)


def _platform_text(entry: object) -> str:
    platform = entry.get("platform") if isinstance(entry, dict) else None
    if not isinstance(platform, dict):
        return ""
    return _joined(platform.get("os"), platform.get("architecture"), platform.get("variant"))


def _joined(os_name: object, architecture: object, variant: object) -> str:
    parts = [str(part) for part in (os_name, architecture, variant) if part]
    return "/".join(parts)


def _known_platform(value: object) -> Platform | None:
    try:
        return Platform.parse(_platform_text({"platform": value}))
    except ValueError:
        return None
