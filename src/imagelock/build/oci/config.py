"""Config, manifest and index of an image as canonical JSON (OCI image-spec 1.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from imagelock.build.oci.sandbox import PATH
from imagelock.model.errors import IntegrityError
from imagelock.model.image import CONFIG, INDEX, MANIFEST, BuiltLayer, Descriptor
from imagelock.model.plan import ConfigChange
from imagelock.model.platform import Platform

CREATED_BY: Final = "imagelock"


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces; our values hold no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def image_config(
    base: bytes | None,
    platform: Platform,
    change: ConfigChange,
    layers: Sequence[BuiltLayer],
    *,
    epoch: int,
) -> bytes:
    """The config of an image: the base's, its history untouched, and ours on top.

    ``epoch`` is the newest layer's, in seconds since 1970; the image is not said to be older
    than its base.
    """
    value: dict[str, Any] = _read(base) if base else {}
    value["architecture"] = platform.architecture
    value["os"] = platform.os
    if platform.variant:
        value["variant"] = platform.variant
    created = rfc3339(epoch)
    value["created"] = max(created, _utc(value.get("created", "")))
    rootfs = value.setdefault("rootfs", {"type": "layers", "diff_ids": []})
    rootfs["diff_ids"] = [*rootfs["diff_ids"], *(layer.diff_id for layer in layers)]
    history = [
        {"created": created, "created_by": f"{CREATED_BY}: {layer.title}"} for layer in layers
    ]
    value["history"] = [*value.get("history", ()), *history]
    value["config"] = runtime_config(base, change)
    return canonical(value)


def runtime_config(base: bytes | None, change: ConfigChange) -> dict[str, Any]:
    """The ``config`` object of the image: how its containers start."""
    before: dict[str, Any] = (_read(base).get("config") if base else None) or {}
    after = dict(before)
    env = dict(item.partition("=")[::2] for item in before.get("Env") or ())
    env.setdefault("PATH", PATH)
    env.update(change.env)
    if change.prepend_path:
        own = [part for part in env["PATH"].split(":") if part not in change.prepend_path]
        env["PATH"] = ":".join([*change.prepend_path, *own])
    after["Env"] = [f"{key}={text}" for key, text in env.items()]
    if change.entrypoint is not None:
        after["Entrypoint"] = list(change.entrypoint)
        # As in a Dockerfile: a new entrypoint does not inherit arguments made for another.
        after.pop("Cmd", None)
    if change.cmd is not None:
        after["Cmd"] = list(change.cmd)
    if change.workdir is not None:
        after["WorkingDir"] = change.workdir
    if change.user is not None:
        after["User"] = change.user
    if change.labels:
        after["Labels"] = {**(before.get("Labels") or {}), **dict(change.labels)}
    return after


def image_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """The manifest over a config and all layers, the base's first."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": as_json(config),
            "layers": [as_json(layer) for layer in layers],
        }
    )


def image_index(manifests: Sequence[Descriptor], annotations: dict[str, str]) -> bytes:
    """The index over the manifests of all platforms, in the order given."""
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [as_json(manifest) for manifest in manifests],
    }
    if annotations:
        value["annotations"] = annotations
    return canonical(value)


def as_json(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor as the specification spells it (descriptor.md)."""
    value: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform:
        platform = descriptor.platform
        value["platform"] = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            value["platform"]["variant"] = platform.variant
    if descriptor.annotations:
        value["annotations"] = dict(descriptor.annotations)
    return value


def config_descriptor(data: bytes, digest_text: str) -> Descriptor:
    """The descriptor of a config."""
    from imagelock.model.names import digest

    return Descriptor(media_type=CONFIG, digest=digest(digest_text), size=len(data))


def rfc3339(epoch: int) -> str:
    """Seconds since 1970 as OCI spells times."""
    return datetime.fromtimestamp(epoch, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def base_epoch(config: bytes) -> int:
    """When the base says it was made, in seconds since 1970; 0 when it does not."""
    text = _utc(str(_read(config).get("created", "")))
    return int(datetime.fromisoformat(text).timestamp()) if text else 0


def base_diff_ids(config: bytes) -> tuple[str, ...]:
    """The diff IDs of a base's config. IntegrityError when it has none."""
    ids = _read(config).get("rootfs", {}).get("diff_ids")
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise IntegrityError("the base's config lists no layers", where="base")
    return tuple(ids)


def _read(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise IntegrityError("the base's config is no JSON object", where="base")
    return value


def _utc(text: str) -> str:
    """A base's time to the second in UTC; the empty text when it has none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return rfc3339(int(moment.timestamp()))
