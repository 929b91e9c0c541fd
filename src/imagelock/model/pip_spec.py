"""The ``[pip]`` table of a spec, and what its files hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imagelock.model.names import Sha256


class Prerelease(StrEnum):
    """When pre-releases are candidates, as in uv."""

    IF_NECESSARY = "if-necessary"
    ALLOW = "allow"
    DISALLOW = "disallow"
    EXPLICIT = "explicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsFile:
    """A requirements or lock file, read when the spec is: its parsed content, never its bytes.

    ``requirements`` and ``constraints`` are normalised lines with the files they include
    folded in; ``pinned`` says that it was a lock (uv.lock, poetry.lock, pylock.toml).
    ``hashes`` are those a line allows, ``sha256:`` and 64 digits, for the lines that give any.
    ``requires_python`` is the specifier of the Pythons that a lock was made for, ``overrides`` are
    the requirements in it that replace what packages ask for. ``extras`` and ``groups`` of the
    locked project were chosen besides what it always needs.
    """

    path: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    pinned: bool = False
    hashes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    requires_python: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class LocalContent:
    """A file or project folder that requirements name, and what it held when the spec was read.

    ``path`` is a relative reference from the spec's folder; ``sha256`` is of the file, or of the
    tar that a project's folder is packed as (:mod:`imagelock.fetch.trees`).
    """

    path: str
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSpec:
    """The ``[pip]`` table. Requirements are PEP 508 strings as ``packaging`` prints, sorted.

    ``local`` is no key of a spec: it is what the requirements' own files and folders hold.
    ``no_binary`` names what is built from its sdist even where a wheel fits. ``config_settings``
    are, by project, what its build backend is told (PEP 517), ``KEY=VALUE`` each, in order.
    """

    packages: tuple[str, ...] = ()
    requirements: tuple[RequirementsFile, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    index: str = "pypi"
    extra_indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    prerelease: Prerelease = Prerelease.IF_NECESSARY
    exclude_newer: str | None = None
    allow_sdist: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    prefer_binary: bool = False
    config_settings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    python_exec: str | None = None
    local: tuple[LocalContent, ...] = ()

    @property
    def may_build(self) -> tuple[str, ...]:
        """The projects whose sdists may be built: allowed, or asked for."""
        return tuple(sorted({*self.allow_sdist, *self.no_binary}))

    def settings_of(self, name: str) -> tuple[str, ...]:
        """What the build backend of a project is told."""
        return dict(self.config_settings).get(name, ())

    @property
    def all_requirements(self) -> tuple[str, ...]:
        """The requirements of the spec and of its files, sorted and without doubles."""
        listed = (line for file in self.requirements for line in file.requirements)
        return tuple(sorted({*self.packages, *listed}))

    @property
    def all_overrides(self) -> tuple[str, ...]:
        """The overrides of the spec and of the locks it takes over, sorted and without doubles."""
        listed = (line for file in self.requirements for line in file.overrides)
        return tuple(sorted({*self.overrides, *listed}))

    @property
    def all_constraints(self) -> tuple[str, ...]:
        """The constraints of the spec and of its files, sorted and without doubles."""
        listed = (line for file in self.requirements for line in file.constraints)
        return tuple(sorted({*self.constraints, *listed}))
