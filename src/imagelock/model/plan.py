"""How an image is made from a lock: ordered steps, each with what its bytes depend on.

A plan is made without I/O (:mod:`imagelock.plan`). One step gives one layer (an apt step up to
two). ``key`` is a hash over everything of the lock that the layer's bytes depend on; a step that
runs code also depends on the layers below it, which the builder adds to the key.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagelock.model.archives import Artifact
from imagelock.model.lock import (
    AptPin,
    AptRemoval,
    BasePin,
    CondaPin,
    PipBuildPin,
    PipPin,
    PythonPin,
)
from imagelock.model.names import PipName, Sha256
from imagelock.model.platform import Platform
from imagelock.model.spec import CopyRule, RunRule, Secret, SourceRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step has. ``runs_code``: executes programs of the image in a sandbox."""

    title: str
    key: Sha256

    @property
    def runs_code(self) -> bool:
        """Whether the layer also depends on the layers below it."""
        return False

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The files the step reads."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AptStep(Step):
    """Packages merged into one layer, and what configuring them writes in a second.

    ``bootstrap``: they are the whole root file system, so nothing lies below; its apt then has
    ``sources`` (deb822 text) of a ``vendor``, both empty when it has no apt.
    """

    packages: tuple[AptPin, ...]
    removals: tuple[AptRemoval, ...] = ()
    bootstrap: bool = False
    sources: str = ""
    vendor: str = ""

    @property
    def runs_code(self) -> bool:
        """Maintainer scripts run."""
        return True

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The .debs, in package order."""
        return tuple(pin.artifact for pin in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaOrigin:
    """A conda package and where it came from, as its file in conda-meta says: two URLs."""

    pin: CondaPin
    channel: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPart:
    """The packages of one layer of a conda step, in name order: a big one alone, or small ones."""

    title: str
    key: Sha256
    packages: tuple[CondaOrigin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaStep(Step):
    """Conda packages linked below one prefix without running anything; one layer a part.

    ``python`` is like ``3.12``, empty where conda brings none; ``site_packages`` is below the
    prefix. The first part's layer makes the prefix an environment.
    """

    prefix: str
    python: str
    site_packages: str
    parts: tuple[CondaPart, ...]

    @property
    def packages(self) -> tuple[CondaPin, ...]:
        """All packages in name order."""
        found = (origin.pin for part in self.parts for origin in part.packages)
        return tuple(sorted(found, key=lambda pin: pin.name))

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The package files, in name order."""
        return tuple(pin.artifact for pin in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenvStep(Step):
    """The skeleton of a virtual environment over an interpreter of the image.

    ``system_packages``: what the interpreter itself has can be imported in it as well.
    """

    python: PythonPin
    prefix: str
    system_packages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelsStep(Step):
    """Wheels unpacked under one prefix: a big one alone, or the small ones together.

    ``prefix`` is a virtual environment's; empty, they go where the interpreter itself looks.
    ``replaces`` are the names whose distributions of the base have to go there first.
    """

    python: PythonPin
    prefix: str
    wheels: tuple[PipPin, ...]
    replaces: tuple[PipName, ...] = ()

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The wheels, in name order."""
        return tuple(pin.artifact for pin in self.wheels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWheelStep(Step):
    """A wheel built of a source over the layers below the virtual environment, and unpacked.

    ``tools`` are exactly the wheels that it is built with, ``settings`` what its backend is told
    (``KEY=VALUE``, in order). ``commit`` is that of a source out of a repository. ``env`` is the
    spec's; ``secrets`` are mounted and in no key by content. ``replaces`` is as for wheels.
    """

    python: PythonPin
    prefix: str
    pin: PipPin
    tools: tuple[PipBuildPin, ...]
    settings: tuple[str, ...] = ()
    commit: str = ""
    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[Secret, ...] = ()
    replaces: tuple[PipName, ...] = ()

    @property
    def runs_code(self) -> bool:
        """Its build backend does."""
        return True

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The source, then the tools in name order."""
        return (self.pin.artifact, *(tool.artifact for tool in self.tools))


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStep(Step):
    """Files of the host, relative to the lock's context."""

    rules: tuple[CopyRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStep(Step):
    """The source folder, as its rule says."""

    rule: SourceRule
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep(Step):
    """Commands in the image built so far. ``secrets`` are mounted and in no key by content."""

    rule: RunRule
    secrets: tuple[Secret, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @property
    def runs_code(self) -> bool:
        """That is what it is for."""
        return True


AnyStep = (
    AptStep | CondaStep | VenvStep | WheelsStep | SourceWheelStep | CopyStep | SourceStep | RunStep
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """What the image's config gets on top of the base's (OCI image-spec, config.md).

    ``prepend_path`` are folders put before the base's PATH. ``entrypoint`` and ``cmd``: None
    keeps the base's.
    """

    env: tuple[tuple[str, str], ...] = ()
    prepend_path: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str | None = None
    user: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """The image of one platform. ``base`` is read as an image unless an AptStep bootstraps it."""

    platform: Platform
    recipe: int
    base: BasePin
    steps: tuple[AnyStep, ...]
    config: ConfigChange

    @property
    def bootstrapped(self) -> bool:
        """Whether the base is made here from packages."""
        return any(isinstance(step, AptStep) and step.bootstrap for step in self.steps)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every file the plan reads, in step order."""
        return tuple(artifact for step in self.steps for artifact in step.artifacts)
