"""What a comparison of two locks says: frozen values, which the renderers print."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imagelock.lock.roots_diff import RootChange
from imagelock.model.platform import Platform


class Direction(StrEnum):
    """How a package moved."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    REPLACED = "replaced"
    """The same version from other bytes, or versions that have no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """A package in one of the two locks; ``sha256`` and ``size`` are None for an interpreter."""

    version: str
    sha256: str | None = None
    size: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One package that moved in the same way on ``platforms``.

    ``kind`` is ``apt``, ``apt-removal``, ``conda``, ``pip`` or ``python``; ``architecture`` is
    empty where it is the platform's own. ``reasons`` say why, the strongest first.
    """

    kind: str
    name: str
    architecture: str
    platforms: tuple[Platform, ...]
    direction: Direction
    old: PackageState | None
    new: PackageState | None
    base: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the architecture where it is a foreign one."""
        return f"{self.name}:{self.architecture}" if self.architecture else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """Anything else that is pinned and moved: a base, an index, an archive, the recipe.

    ``old`` and ``new`` are None where there is none.
    """

    kind: str
    name: str
    platforms: tuple[Platform, ...] = ()
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Bytes of all artifacts, each counted once; ``fetched`` are those the old lock has not."""

    old: int
    new: int
    fetched: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDiff:
    """Everything that differs between two locks; false when nothing does.

    ``requirements`` name packages that stayed but for who requires them or how they were asked
    for. ``values`` are the pins that are no packages, ``roots`` what was asked.
    """

    platforms: tuple[Platform, ...]
    packages: tuple[PackageChange, ...]
    requirements: tuple[str, ...]
    values: tuple[ValueChange, ...]
    roots: tuple[RootChange, ...]
    download: Download

    def __bool__(self) -> bool:
        return bool(self.packages or self.requirements or self.values or self.roots)

    @property
    def added(self) -> tuple[PackageChange, ...]:
        """The packages that only the new lock has."""
        return tuple(item for item in self.packages if item.old is None)

    @property
    def removed(self) -> tuple[PackageChange, ...]:
        """The packages that only the old lock has."""
        return tuple(item for item in self.packages if item.new is None)

    @property
    def changed(self) -> tuple[PackageChange, ...]:
        """The packages that both locks have, and not the same."""
        return tuple(item for item in self.packages if item.old and item.new)
