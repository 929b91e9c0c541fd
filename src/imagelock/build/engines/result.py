"""What an engine built, packed by our own rules: the same layers give the same digests anywhere.

Engines compress with what their release holds, so the same content has other digests from one
engine to the next. Layers are taken as plain tars and compressed here; a base's keep their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from imagelock.build.engines.folder import Written
from imagelock.build.oci.cache import LayerCache
from imagelock.build.oci.config import (
    base_diff_ids,
    canonical,
    config_descriptor,
    image_manifest,
    rfc3339,
)
from imagelock.build.oci.context import BASE_TITLE, MadeImage
from imagelock.build.oci.output import Blob
from imagelock.build.oci.secrets import Secrets
from imagelock.build.oci.trees import layer_chunks
from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.image import MANIFEST, BaseImage, BuiltImage, BuiltLayer, Descriptor
from imagelock.model.names import Digest, Sha256, digest, digest_of, hash_of
from imagelock.model.platform import Platform
from imagelock.ports import ImageSource

_CONFIG_KEYS: Final = ("architecture", "os", "variant", "rootfs")
_RUNTIME_KEYS: Final = (
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels"),
    *("StopSignal", "Healthcheck", "OnBuild", "Shell"),
)
_LAYERED: Final = ("ADD ", "COPY ", "RUN ", "WORKDIR ")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLayers:
    """A base that was pulled: its layers by diff ID, and what finds their files."""

    image: BaseImage
    find: Callable[[Descriptor], Path]

    def history(self) -> tuple[dict[str, Any], ...]:
        """The lines of its config's history."""
        return tuple(json.loads(self.image.config).get("history") or ())

    def descriptors(self) -> dict[str, Descriptor]:
        """The layers as the registry has them."""
        return dict(zip(base_diff_ids(self.image.config), self.image.layers, strict=True))


def pack(
    source: ImageSource,
    reference: str,
    platform: Platform,
    *,
    written: Written,
    cache: LayerCache,
    secrets: Secrets,
    base: BaseLayers | None = None,
) -> MadeImage:
    """The image that an engine saved. BuildError when a secret got into it."""
    image = source.image(reference, source.digest(reference, platform), platform)
    _refuse_secret(image.config, secrets)
    below = base.history() if base else ()
    config_data = settled_config(image.config, written.rendered.epoch, below=below)
    ids = base_diff_ids(image.config)
    if len(ids) != len(image.layers):
        raise IntegrityError("the engine's config and manifest disagree", where=reference)
    known = base.descriptors() if base else {}
    titles = _titles(written, len([one for one in ids if one not in known]))
    layers: list[BuiltLayer] = []
    blobs: list[Blob] = []
    for diff_id, descriptor in zip(ids, image.layers, strict=True):
        if base is not None and diff_id in known:
            layer = _of_base(known[diff_id], diff_id)
            blobs.append(
                Blob(descriptor=layer.descriptor, source=partial(base.find, known[diff_id]))
            )
        else:
            layer = _packed(
                partial(source.layer, reference, descriptor),
                descriptor.media_type,
                diff_id,
                titles.pop(0),
                cache=cache,
                secrets=secrets,
            )
            path = cache.store.path(hash_of(layer.descriptor.digest))
            blobs.append(Blob(descriptor=layer.descriptor, source=partial(_same, path)))
        layers.append(layer)
    config = config_descriptor(config_data, _digest(config_data))
    manifest = image_manifest(config, [layer.descriptor for layer in layers])
    descriptor = Descriptor(
        media_type=MANIFEST, digest=_digest(manifest), size=len(manifest), platform=platform
    )
    blobs += [
        Blob(descriptor=config, source=config_data),
        Blob(descriptor=descriptor, source=manifest),
    ]
    built = BuiltImage(
        platform=platform, manifest=descriptor, image_id=config.digest, layers=tuple(layers)
    )
    return MadeImage(image=built, config=config_data, blobs=tuple(blobs))


def _packed(
    path: Callable[[], Path],
    media_type: str,
    diff_id: str,
    title: str,
    *,
    cache: LayerCache,
    secrets: Secrets,
) -> BuiltLayer:
    key = cache.key("engine", diff_id)
    # What was packed before was looked through for the secrets of that time.
    found = None if secrets.texts else cache.find(key, title)
    if found is not None:
        return found.layer
    chunks = secrets.checked(layer_chunks(path(), media_type), title)
    made = cache.make_from_tar(key, title, chunks, lambda: (0, {}))
    if made.layer.diff_id != diff_id:
        raise IntegrityError(
            f"expected the diff ID {diff_id}, got {made.layer.diff_id}", where=title
        )
    return made.layer


def settled_config(config: bytes, epoch: int, *, below: Sequence[dict[str, Any]] = ()) -> bytes:
    """An engine's config less its clock, containers and names: what OCI image-spec has.

    ``epoch`` (seconds since 1970) takes the place of every time, but in ``below``: the history of
    a pulled base, which is what the registry has. An image that starts from nothing has none.
    """
    value: dict[str, Any] = json.loads(config)
    created = rfc3339(epoch)
    kept: dict[str, Any] = {key: value[key] for key in _CONFIG_KEYS if key in value}
    runtime = value.get("config") or {}
    kept["config"] = {
        key: runtime[key] for key in _RUNTIME_KEYS if runtime.get(key) not in (None, "", [], {})
    }
    kept["history"] = [
        *below,
        *(
            {
                **{key: line[key] for key in ("created_by", "empty_layer") if line.get(key)},
                "created": created,
            }
            for line in (value.get("history") or ())[len(below) :]
        ),
    ]
    return canonical({**kept, "created": created})


def _titles(written: Written, count: int) -> list[str]:
    """A title a layer: of the instructions that make one, the last stage's."""
    listed: list[str] = []
    for instruction in written.rendered.instructions:
        if instruction.text.startswith("FROM "):
            listed = []
        elif instruction.text.startswith(_LAYERED):
            listed.append(instruction.title)
    return listed if len(listed) == count else [f"layer {n}" for n in range(1, count + 1)]


def _of_base(descriptor: Descriptor, diff_id: str) -> BuiltLayer:
    return BuiltLayer(
        title=f"{BASE_TITLE}its registry",
        descriptor=descriptor,
        diff_id=digest(diff_id),
        cached=True,
    )


def _refuse_secret(config: bytes, secrets: Secrets) -> None:
    if any(text in config for text in secrets.texts):
        raise BuildError(
            "a secret got into the image's config",
            where="config",
            hint="read the secret where it is mounted, and copy it nowhere",
        )


def _digest(data: bytes) -> Digest:
    return digest_of(Sha256(hashlib.sha256(data).hexdigest()))


def _same(path: Path) -> Path:
    return path
