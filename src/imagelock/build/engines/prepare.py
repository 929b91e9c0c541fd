"""All that rendering needs to know of a lock's artifacts, and the tars it names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from imagelock.build.engines.packages import prepare_apt
from imagelock.build.engines.sources import with_wheels
from imagelock.build.engines.squash import squashed_entries
from imagelock.build.oci.cache import LayerCache
from imagelock.build.oci.conda import activated
from imagelock.build.oci.config import base_epoch, runtime_config
from imagelock.build.oci.context import BuildContext
from imagelock.build.oci.image import PlatformBuild
from imagelock.build.oci.inside.scrub import _DROPPED, _EMPTIED, _HIDDEN
from imagelock.build.oci.trees import layer_chunks
from imagelock.build.sources.agree import Agreement, check_wheels
from imagelock.fetch.store import disk_errors
from imagelock.layers.entries import EARLIEST
from imagelock.layers.gzip import Compression
from imagelock.layers.tar import tar_chunks
from imagelock.layers.wheel import Wheel
from imagelock.model.errors import BuildError
from imagelock.model.image import BaseImage
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.names import hash_of
from imagelock.model.plan import AnyStep, AptStep, ImagePlan, RunStep, WheelsStep
from imagelock.model.platform import Platform
from imagelock.plan import plan_image
from imagelock.render import Dialect, Prepared, Runtime, Scrubbing
from imagelock.render.image import PlatformImage
from imagelock.render.instructions import exec_form, quoted

SCRUBBING: Final = Scrubbing(
    dropped=tuple(rule.replace("(?:", "(") for rule in _DROPPED),
    emptied=tuple(rule.replace("(?:", "(") for rule in _EMPTIED),
    hidden=tuple(name for name in _HIDDEN if name in {"run", "tmp"}),
)
"""The rules of the embedded builder's layers; what is mounted in every container needs none."""


@dataclass(slots=True)
class Preparation:
    """One platform of a lock: what is read of its artifacts once, and where its tars are.

    ``trees`` gives the file of a step's tar by step key, of the base's by the empty text.
    ``notes`` are those of the layers in them.
    """

    lock: Lock
    platform: Platform
    context: BuildContext
    scratch: Path
    dialect: Dialect
    trees: dict[str, Path] = field(default_factory=dict)
    notes: list[dict[str, object]] = field(default_factory=list)

    def image(self) -> PlatformImage:
        """Fetch and read what is needed; tars are written to the scratch folder."""
        plan = with_wheels(plan_image(self.lock, self.platform), self.lock, self.context)
        base = None if plan.bootstrapped else self._read_base(plan)
        pulled = _pulled(plan) if base is not None else ""
        if base is not None and not pulled:
            self._squash(plan, base)
        epoch = base_epoch(base.config) if base else EARLIEST
        steps, newest = [], 0
        for step in plan.steps:
            prepared = self._prepared(plan, step, newest or epoch)
            if not isinstance(step, RunStep):
                newest = max(newest, prepared.epoch)
            steps.append(prepared)
        config = base.config if base else None
        runtime = runtime_config(config, activated(plan.config, self.notes))
        flat = self.dialect is not Dialect.BUILDKIT or not pulled
        return PlatformImage(
            plan=plan,
            steps=tuple(steps),
            runtime=_runtime(runtime, config, flat=flat),
            epoch=newest or epoch,
            pulled=pulled,
        )

    def _prepared(self, plan: ImagePlan, step: AnyStep, below: int) -> Prepared:
        if isinstance(step, AptStep):
            files = self._files(step)
            tree = self.scratch / step.key
            prepared = prepare_apt(step, plan.platform, files, tree)
            if step.bootstrap:
                self.trees[step.key] = tree
            return prepared
        if isinstance(step, WheelsStep):
            files = self._files(step)
            check_wheels(Agreement(self.lock, self.platform), step, files)
            return Prepared(step=step, epoch=_newest(step, files))
        if step.runs_code:
            return Prepared(step=step, epoch=below)
        return Prepared(step=step, epoch=self._tree(plan, step))

    def _files(self, step: AnyStep) -> Mapping[str, Path]:
        files = self.context.fetch(step.artifacts, self.lock.archives)
        for artifact in step.artifacts:
            self.context.store.verify(artifact.sha256)
        return files

    def _tree(self, plan: ImagePlan, step: AnyStep) -> int:
        """Write the layer of a step that runs nothing, as the embedded builder packs it."""
        cache = LayerCache(self.context.store, Compression.GZIP)
        build = PlatformBuild(self.lock, plan, self.context, cache)
        made = [layer for layer in build.pure_layers(step) if not layer.empty]
        files = [
            (item.layer.descriptor, self.context.store.path(hash_of(item.layer.descriptor.digest)))
            for item in made
        ]
        tree = self.trees[step.key] = self.scratch / step.key
        if len(files) == 1:
            descriptor, path = files[0]
            _write(tree, layer_chunks(path, descriptor.media_type))
        else:
            _write(tree, tar_chunks(squashed_entries(files)))
        self.notes += (item.notes for item in made)
        return max((item.epoch for item in made), default=EARLIEST)

    def _read_base(self, plan: ImagePlan) -> BaseImage:
        if self.context.source_of is None:
            raise BuildError("there is nothing that reads base images", where=plan.base.reference)
        source = self.context.source_of(plan.base)
        return source.image(plan.base.reference, plan.base.digest, plan.platform)

    def _squash(self, plan: ImagePlan, base: BaseImage) -> None:
        assert self.context.source_of is not None
        source = self.context.source_of(plan.base)
        files = [(layer, source.layer(plan.base.reference, layer)) for layer in base.layers]
        tree = self.scratch / "base"
        _write(tree, tar_chunks(squashed_entries(files)))
        self.trees[""] = tree


def _pulled(plan: ImagePlan) -> str:
    """A base of a registry by digest alone: podman takes no tag beside it."""
    if plan.base.kind is not BaseKind.IMAGE:
        return ""
    from imagelock.registry.reference import parse_reference

    parsed = parse_reference(plan.base.reference)
    return f"{parsed.registry}/{parsed.repository}@{plan.base.digest}"


def _newest(step: WheelsStep, files: Mapping[str, Path]) -> int:
    epochs = [EARLIEST]
    for pin in step.wheels:
        with files[pin.artifact.sha256].open("rb") as file:
            wheel = Wheel(
                file,
                name=pin.name,
                where=pin.artifact.filename,
                archive_size=pin.artifact.size,
            )
            epochs.append(wheel.epoch)
    return max(epochs)


def _runtime(config: dict[str, Any], base: bytes | None, *, flat: bool) -> Runtime:
    before: dict[str, Any] = (json.loads(base).get("config") if base else None) or {}
    if before.get("OnBuild"):
        raise BuildError(
            "the base has ONBUILD triggers, which an engine would run",
            where="base",
            hint="use the embedded builder, `oci`",
        )
    entrypoint, cmd = config.get("Entrypoint"), config.get("Cmd")
    return Runtime(
        env=tuple((key, text) for key, _, text in (i.partition("=") for i in config["Env"])),
        entrypoint=tuple(entrypoint) if entrypoint is not None else None,
        cmd=tuple(cmd) if cmd is not None else None,
        workdir=config.get("WorkingDir") or "",
        user=config.get("User") or "",
        labels=tuple(sorted((config.get("Labels") or {}).items())),
        base_user=before.get("User") or "",
        extra=tuple(_restated(config)) if flat else (),
    )


def _restated(config: dict[str, Any]) -> list[str]:
    """What a base says besides, where its config does not come with it."""
    lines = [f"EXPOSE {port}" for port in sorted(config.get("ExposedPorts") or ())]
    volumes = sorted(config.get("Volumes") or ())
    if volumes:
        lines.append(exec_form("VOLUME", volumes))
    if config.get("StopSignal"):
        lines.append(f"STOPSIGNAL {quoted(config['StopSignal'], where='base')}")
    if config.get("Shell"):
        lines.append(exec_form("SHELL", config["Shell"]))
    return lines


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with disk_errors(str(path)), path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
