"""What was decided: the lock as frozen values.

A lock holds the roots (the spec as it was asked) and the pins (what was chosen). One pin is one
artifact; ``platforms`` names the platforms it is for, and is never empty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagelock.model.archives import Archive, Artifact
from imagelock.model.errors import LockError
from imagelock.model.names import DebName, Digest, PipName, Sha256
from imagelock.model.platform import Platform
from imagelock.model.spec import Spec

LOCK_VERSION: Final = 1
NEWEST_RECIPE: Final = 1

SPEC_ROOT: Final = "<spec>"
"""The name of the requirer of what the spec itself asks for."""
BASE_ROOT: Final = "<base>"
"""The requirer of the packages of a bootstrapped base; the specifier says by which rule."""
PYTHON_ROOT: Final = "<python>"
"""The requirer of packages pulled in because pip packages need an interpreter."""
CONDA_PREFIX: Final = "/opt/conda"
"""Where an image's conda packages are installed."""


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Requirer:
    """One edge of *why*: who requires a package, and the constraint it put on it.

    ``specifier`` is the text of the ecosystem: ``>=1.26``, ``>= 2.36``, or a whole or-group of
    alternatives when the package was not named alone. Empty means any version.
    """

    name: str
    specifier: str = ""


class BaseKind(StrEnum):
    """Which of the four kinds of base a pin is."""

    IMAGE = "image"
    DISTRIBUTION = "distribution"
    LAYOUT = "layout"
    SPEC = "spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePin:
    """The base on one platform.

    ``digest`` is the platform's manifest digest, or for a distribution the hash of its package
    set (:func:`distribution_digest`). ``libc`` is like ``glibc 2.36`` or ``musl 1.2``.
    ``dpkg_status`` is the hash of the base's dpkg status file, None where it has no dpkg.
    """

    kind: BaseKind
    reference: str
    digest: Digest
    platforms: tuple[Platform, ...]
    variant: str | None = None
    libc: str | None = None
    dpkg_status: Sha256 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AptIndexPin:
    """One signed index that apt packages were chosen from.

    ``sha256`` is that of the InRelease file, ``date`` its Date field, ``signed_by`` the
    fingerprint of the key that signed it, ``snapshot`` the id of a snapshot service if one was
    asked.
    """

    archive: str
    suite: str
    components: tuple[str, ...]
    sha256: Sha256
    date: datetime
    signed_by: str
    snapshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AptPin:
    """One .deb. ``base`` marks a package of the bootstrapped base, ``manual`` one asked by name.

    ``suite`` is the suite whose index listed it; ``source`` the source package's name.
    """

    name: DebName
    version: str
    architecture: str
    suite: str
    source: str
    artifact: Artifact
    platforms: tuple[Platform, ...]
    required_by: tuple[Requirer, ...]
    base: bool = False
    manual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AptRemoval:
    """A package of the base that the apt packages force out."""

    name: DebName
    version: str
    architecture: str
    platforms: tuple[Platform, ...]
    required_by: tuple[Requirer, ...]


class NoArch(StrEnum):
    """How a conda package that is for every platform is linked."""

    PYTHON = "python"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPin:
    """One conda package: its record in the channel, whole enough to solve with and to link.

    ``depends`` and ``constrains`` are match specs, sorted. ``timestamp`` is in milliseconds since
    1970 (UTC), ``python_site_packages_path`` relative to the prefix (CEP 17), ``md5`` 32 hex
    digits for tools that know no other hash. ``channel`` is the URL (or relative folder) of the
    channel where that is not the archive that holds the file (CEP 15, ``base_url``).
    """

    name: str
    version: str
    build: str
    subdir: str
    artifact: Artifact
    platforms: tuple[Platform, ...]
    required_by: tuple[Requirer, ...]
    build_number: int = 0
    noarch: NoArch | None = None
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    track_features: tuple[str, ...] = ()
    python_site_packages_path: str | None = None
    timestamp: int | None = None
    license: str | None = None
    md5: str | None = None
    channel: str | None = None


class PythonProvider(StrEnum):
    """Where the image's Python comes from."""

    BASE = "base"
    APT = "apt"
    CONDA = "conda"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPin:
    """The interpreter pip packages are installed for: exact version and absolute path."""

    version: str
    implementation: str
    provider: PythonProvider
    executable: str
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipPin:
    """One wheel, or a source that one is built of when the image is (``artifact.is_wheel``).

    ``requested``: the spec itself named it (PEP 376); ``extras``: asked of it.
    """

    name: PipName
    version: str
    artifact: Artifact
    platforms: tuple[Platform, ...]
    required_by: tuple[Requirer, ...]
    extras: tuple[str, ...] = ()
    requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipBuildPin:
    """One wheel that sources are built with (PEP 517, 518), and is in no image.

    ``builds`` are the packages it is for: each source has an environment of its own. A requirer
    is such a package, or another wheel of its environment.
    """

    name: PipName
    version: str
    artifact: Artifact
    platforms: tuple[Platform, ...]
    builds: tuple[PipName, ...]
    required_by: tuple[Requirer, ...]


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class BuiltWheel:
    """A wheel that a build made of a source: the package, and the hash of its normal form."""

    name: PipName
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What a build gave, written by ``build --record``; not part of the tag."""

    platform: Platform
    manifest_digest: Digest
    image_id: Digest
    wheels: tuple[BuiltWheel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock: the roots, and the pins of every section in :mod:`imagelock.lock`'s order.

    ``context`` is the relative POSIX path from the lock's folder to the folder that copies and
    sources are relative to (``.`` unless ``--lock`` put the lock elsewhere).
    ``unknown`` holds keys of newer minor versions, kept on write: by the place of their table
    (``roots.pip``, ``pip[NAME SHA256 PLATFORMS]``), pairs of a key and its value as TOML text.
    """

    roots: Spec
    recipe: int = NEWEST_RECIPE
    context: str = "."
    archives: tuple[Archive, ...] = ()
    bases: tuple[BasePin, ...] = ()
    apt_indexes: tuple[AptIndexPin, ...] = ()
    apt: tuple[AptPin, ...] = ()
    apt_removals: tuple[AptRemoval, ...] = ()
    conda: tuple[CondaPin, ...] = ()
    pythons: tuple[PythonPin, ...] = ()
    pip: tuple[PipPin, ...] = ()
    pip_builds: tuple[PipBuildPin, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    unknown: tuple[tuple[str, object], ...] = field(default=(), hash=False)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms this lock is for, sorted."""
        return self.roots.platforms

    @property
    def reproducible(self) -> bool:
        """Whether a build is a function of the lock: no run of it has a network."""
        return not any(rule.network for rule in self.roots.runs)

    def base_for(self, platform: Platform) -> BasePin:
        """The base of a platform. LockError when a careless edit left the lock without it."""
        for pin in self.bases:
            if platform in pin.platforms:
                return pin
        raise LockError(
            f"the lock has no [[base]] for {platform}",
            where=self.roots.name,
            hint="restore it from version control, or run `imagelock lock` on the spec",
        )

    def python_for(self, platform: Platform) -> PythonPin | None:
        """The interpreter of a platform, if the image has one that packages are installed for."""
        return next((pin for pin in self.pythons if platform in pin.platforms), None)


def distribution_digest(pins: tuple[AptPin, ...]) -> Digest:
    """The digest that names a bootstrapped base: a hash over its packages, in name order."""
    lines = sorted(
        f"{pin.name} {pin.architecture} {pin.version} {pin.artifact.sha256}\n" for pin in pins
    )
    return Digest("sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest())
