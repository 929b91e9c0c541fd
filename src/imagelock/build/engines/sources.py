"""Wheels of sources, built before anything is rendered: by the embedded builder's sandbox.

An engine could build them itself, but by what its base and its clock make of them. So it is given
the very wheel that is in the embedded builder's image, by its hash, and needs no build backend.
"""

from __future__ import annotations

from dataclasses import replace

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.context import BuildContext
from imagelock.build.oci.image import PlatformBuild
from imagelock.build.sources.image import NOTE
from imagelock.layers.gzip import Compression
from imagelock.layers.wheel import Wheel
from imagelock.model.archives import Artifact
from imagelock.model.errors import CheckFailed
from imagelock.model.lock import Lock, PipPin
from imagelock.model.names import Sha256, sha256
from imagelock.model.plan import (
    AnyStep,
    AptStep,
    CondaStep,
    ImagePlan,
    SourceWheelStep,
    WheelsStep,
)

BUILT = "built"
"""The archive of a wheel that was built: no place to fetch it from, it is in the store."""


def with_wheels(plan: ImagePlan, lock: Lock, context: BuildContext) -> ImagePlan:
    """The plan with wheels in the place of sources. They are in the store.

    BuildError as from the embedded builder; CheckFailed for a wheel that is not the one that the
    lock has recorded.
    """
    sources = [step for step in plan.steps if isinstance(step, SourceWheelStep)]
    if not sources:
        return plan
    for step in sources:
        context.said(f"  {step.title} in the sandbox of `oci`")
    built = _built(plan, lock, context)
    _refuse_unrecorded(plan, lock, built)
    return replace(plan, steps=tuple(_with_wheel(step, built, context) for step in plan.steps))


class _Layers(LayerCache):
    """Layers of the cache, but none of a built wheel that is itself no more there."""

    def find(self, key: str, title: str) -> CachedLayer | None:
        found = LayerCache.find(self, key, title)
        wheel = found.notes.get(NOTE) if found else None
        if wheel is None:
            return found
        try:
            return found if self.store.find(sha256(str(wheel))) else None
        except ValueError:  # said by whoever shares layers
            return None


def _built(plan: ImagePlan, lock: Lock, context: BuildContext) -> dict[str, Sha256]:
    """The wheels by package: what is below them is made as in the embedded builder's image."""
    below = (AptStep, CondaStep, SourceWheelStep)
    needed = replace(plan, steps=tuple(step for step in plan.steps if isinstance(step, below)))
    quiet = replace(context, step_done=lambda _layer: None, run_checked=None)
    build = PlatformBuild(lock, needed, quiet, _Layers(context.store, Compression.GZIP))
    build.refuse_unrunnable()
    return {wheel.name: wheel.sha256 for wheel in build.run().image.wheels}


def _refuse_unrecorded(plan: ImagePlan, lock: Lock, built: dict[str, Sha256]) -> None:
    recorded = (record for record in lock.images if record.platform == plan.platform)
    for wheel in (wheel for record in recorded for wheel in record.wheels):
        if built.get(wheel.name, wheel.sha256) != wheel.sha256:
            raise CheckFailed(
                f"the wheel was recorded as {wheel.sha256}, and built as {built[wheel.name]}",
                where=f"{wheel.name}, {plan.platform}",
                hint="its build is not reproducible: `imagelock build --check` names the file; "
                "`imagelock build --record` records it anew",
            )


def _with_wheel(step: AnyStep, built: dict[str, Sha256], context: BuildContext) -> AnyStep:
    if not isinstance(step, SourceWheelStep):
        return step
    return WheelsStep(
        title=step.title,
        key=step.key,
        python=step.python,
        prefix=step.prefix,
        wheels=(replace(step.pin, artifact=_artifact(step.pin, built[step.pin.name], context)),),
    )


def _artifact(pin: PipPin, digest: Sha256, context: BuildContext) -> Artifact:
    path = context.store.verify(digest)
    size = path.stat().st_size
    with path.open("rb") as file:
        wheel = Wheel(file, name=pin.name, where=f"{pin.name}, built", archive_size=size)
        return Artifact(archive=BUILT, path=wheel.filename, sha256=digest, size=size)
