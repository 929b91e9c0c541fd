"""What a person asks for: the spec as frozen, normalised values.

Every field of the contract's TOML has one place here. Collections whose order has no meaning
are sorted by the parser, so that two specs that mean the same are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import DEFAULT_PLATFORM, Platform

DEFAULT_TAG_FORMAT = "{lock}"


class Variant(StrEnum):
    """Which packages a bootstrapped base holds."""

    MINBASE = "minbase"
    ESSENTIAL = "essential"


class SourceMode(StrEnum):
    """What of the source folder is copied into the image."""

    ALL = "all"
    LOADED_MODULES = "loaded-modules"
    NONE = "none"


class ChannelPriority(StrEnum):
    """How conda channels rank."""

    STRICT = "strict"
    FLEXIBLE = "flexible"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBase:
    """A reference in a registry, by tag or digest."""

    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionBase:
    """A root file system bootstrapped from a signed archive, such as ``debian:bookworm``."""

    distribution: str
    variant: Variant = Variant.MINBASE

    @property
    def vendor(self) -> str:
        """``debian`` or ``ubuntu``."""
        return self.distribution.partition(":")[0]

    @property
    def suite(self) -> str:
        """The suite's code name."""
        return self.distribution.partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutBase:
    """An OCI layout on disk, ``oci:DIR``, relative to the spec."""

    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecBase:
    """The image of another spec, by its lock; a path relative to the spec."""

    spec: str


Base = ImageBase | DistributionBase | LayoutBase | SpecBase


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSource:
    """One ``[[apt.source]]``: the fields of a deb822 source (sources.list(5)).

    ``signed_by`` is a key file relative to the spec, or a fingerprint. ``keys`` are the
    fingerprints of a key file's certificates (upper case, sorted), read when the spec is.
    """

    uris: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    signed_by: str | None = None
    keys: tuple[str, ...] = ()
    snapshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSpec:
    """The ``[apt]`` table. The order of ``packages`` is kept: apt marks them in that order."""

    packages: tuple[str, ...] = ()
    recommends: bool = False
    sources: tuple[AptSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSpec:
    """The ``[conda]`` table. The order of ``channels`` is their priority.

    ``packages`` and ``channels`` are in the normal form of :mod:`imagelock.model.conda`.
    """

    packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("conda-forge",)
    channel_priority: ChannelPriority = ChannelPriority.STRICT
    exclude_newer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSpec:
    """The ``[gpu]`` table. ``driver`` is the oldest Linux driver; the parser fills it in."""

    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The ``[image]`` table. ``entrypoint`` and ``cmd``: None keeps the base's, () clears it."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str | None = None
    user: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRule:
    """One ``[[copy]]``: a file or folder relative to the spec, to an absolute path.

    A target that ends in ``/`` is a folder that receives the source under its own name when the
    source is a file, and the source's content when it is a folder.
    """

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """The ``[source]`` table.

    ``entry`` are files or folders below ``root`` whose imports say what is loaded, sorted; with
    none it is the Python files directly in ``root``.
    """

    root: str
    mode: SourceMode = SourceMode.ALL
    entry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRule:
    """One ``[[run]]``: commands for ``/bin/sh -e``, in order."""

    commands: tuple[str, ...]
    network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One ``[[secret]]``: a host file that runs may read and nothing keeps."""

    id: str
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderChoice:
    """The ``[builder]`` table; options are TOML values, sorted by key."""

    name: str = "oci"
    options: tuple[tuple[str, str | int | bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole spec. ``env`` and ``labels`` are sorted pairs; ``platforms`` are sorted."""

    name: str
    base: Base
    python: str | None = None
    platforms: tuple[Platform, ...] = (DEFAULT_PLATFORM,)
    registry: str | None = None
    tag_format: str = DEFAULT_TAG_FORMAT
    pip: PipSpec = PipSpec()  # noqa: RUF009 - it is frozen
    apt: AptSpec = AptSpec()
    conda: CondaSpec = CondaSpec()
    gpu: GpuSpec = GpuSpec()
    env: tuple[tuple[str, str], ...] = ()
    image: ImageConfig = ImageConfig()
    copies: tuple[CopyRule, ...] = ()
    source: SourceRule | None = None
    runs: tuple[RunRule, ...] = ()
    secrets: tuple[Secret, ...] = ()
    builder: BuilderChoice = BuilderChoice()

    @property
    def has_pip(self) -> bool:
        """Whether any pip package is asked for."""
        return bool(self.pip.all_requirements)

    @property
    def needs_python(self) -> bool:
        """Whether the image must have an interpreter: it is asked for, or packages need one."""
        named = self.python is not None or self.pip.python_exec is not None
        return self.has_pip or named

    @property
    def has_conda(self) -> bool:
        """Whether any conda package is asked for; then the image's Python is conda's too."""
        return bool(self.conda.packages)
