"""What is asked of a solver, and the nouns both sides share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagelock.model.lock import NoArch
from imagelock.model.platform import Platform
from imagelock.model.spec import ChannelPriority


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRecord:
    """One package file as its channel describes it (CEP 36).

    ``url`` and ``channel`` (which ends in '/') are canonical and without credentials; a folder
    of the machine is a ``file:`` URL. ``sha256`` is 64 hex digits, ``md5`` 32, ``size`` in bytes,
    ``timestamp`` in milliseconds since 1970.
    """

    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    url: str
    channel: str
    sha256: str | None
    size: int | None
    md5: str | None = None
    noarch: NoArch | None = None
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    track_features: tuple[str, ...] = ()
    python_site_packages_path: str | None = None
    timestamp: int | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class VirtualPackage:
    """What an image runs on, as a package that is always there (CEP 30)."""

    name: str
    version: str
    build: str = "0"

    def __str__(self) -> str:
        return f"{self.name}={self.version}={self.build}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaProblem:
    """A solve: ``specs`` are match specs in normal form, ``channels`` URLs by priority.

    ``constraints`` are match specs that ask for nothing. ``preferred`` are records to keep where
    that is possible, ``cutoff`` the UTC time after which packages do not exist.
    """

    platform: Platform
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    virtual_packages: tuple[VirtualPackage, ...]
    constraints: tuple[str, ...] = ()
    priority: ChannelPriority = ChannelPriority.STRICT
    preferred: tuple[CondaRecord, ...] = ()
    cutoff: datetime | None = None


class Unsolvable(Exception):
    """No set of packages will do; ``tree`` is the solver's explanation, several lines."""

    def __init__(self, tree: str) -> None:
        super().__init__(tree)
        self.tree = tree


class CondaSolver(Protocol):
    """The channels and the solver as one; every answer is the same however often it is asked."""

    def solve(self, problem: CondaProblem) -> tuple[CondaRecord, ...]:
        """One record a package, sorted by name. Unsolvable with the reason."""
        ...

    def versions(self, name: str, problem: CondaProblem) -> tuple[CondaRecord, ...]:
        """Every record of a package on the problem's platform, oldest first."""
        ...

    def names(self, problem: CondaProblem) -> frozenset[str]:
        """The names of all packages on the problem's platform."""
        ...
