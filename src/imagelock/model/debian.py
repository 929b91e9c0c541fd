"""Debian's nouns: binary packages, their relations, and the archives they come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from imagelock.model.debian_version import compare_debian_versions
from imagelock.model.names import Sha256

_RELATION: Final = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9+._-]*)"
    r"(?::(?P<architecture>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[A-Za-z0-9.+:~_-]+)\s*\))?\s*\Z"
)
_OBSOLETE: Final = {"<": "<=", ">": ">="}


@dataclass(frozen=True, slots=True)
class Relation:
    """One alternative of a relation field (Debian Policy 7.1).

    ``architecture`` is the qualifier behind the colon (``any``, ``native``, a name, or empty);
    ``operator`` is empty when any version will do.
    """

    name: str
    architecture: str = ""
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        qualifier = f":{self.architecture}" if self.architecture else ""
        wanted = f" ({self.operator} {self.version})" if self.operator else ""
        return f"{self.name}{qualifier}{wanted}"

    @property
    def specifier(self) -> str:
        """The constraint alone, such as ``>= 2.36``; empty for any version."""
        return f"{self.operator} {self.version}" if self.operator else ""

    def allows(self, version: str) -> bool:
        """Whether a version meets the constraint (Policy 7.1)."""
        return not self.operator or _meets(version, self.operator, self.version)


Alternatives = tuple[Relation, ...]
"""An or-group: any one of these will do."""


@lru_cache(maxsize=1 << 15)
def _meets(version: str, operator: str, wanted: str) -> bool:
    order = compare_debian_versions(version, wanted)
    match operator:
        case "<<":
            return order < 0
        case "<=":
            return order <= 0
        case "=":
            return order == 0
        case ">=":
            return order >= 0
        case _:
            return order > 0


@lru_cache(maxsize=1 << 15)
def parse_relation(text: str) -> Relation:
    """One relation without alternatives. Raise ValueError for what is none."""
    match = _RELATION.match(text)
    if match is None:
        msg = f"expected a package relation such as 'libc6 (>= 2.36)', got '{text.strip()}'"
        raise ValueError(msg)
    operator = match["operator"] or ""
    return Relation(
        name=match["name"],
        architecture=match["architecture"] or "",
        operator=_OBSOLETE.get(operator, operator),
        version=match["version"] or "",
    )


@lru_cache(maxsize=1 << 14)
def parse_relations(text: str) -> tuple[Alternatives, ...]:
    """A whole relation field, or-groups in order. Raise ValueError with the wrong part."""
    return tuple(
        tuple(parse_relation(part) for part in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryPackage:
    """One version of a binary package: a stanza of a Packages or dpkg status file.

    ``architecture`` is the field's value, ``all`` included. ``origin`` is the number of the
    index file that lists it, -1 for an installed package. ``size`` is in bytes.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    priority: str = "optional"
    essential: bool = False
    multi_arch: str = "no"
    pre_depends: tuple[Alternatives, ...] = ()
    depends: tuple[Alternatives, ...] = ()
    recommends: tuple[Alternatives, ...] = ()
    conflicts: tuple[Alternatives, ...] = ()
    breaks: tuple[Alternatives, ...] = ()
    replaces: tuple[Alternatives, ...] = ()
    provides: tuple[Alternatives, ...] = ()
    origin: int = -1
    path: str = ""
    sha256: Sha256 = field(default=Sha256(""))
    size: int = 0

    @property
    def relations_depended_on(self) -> tuple[Alternatives, ...]:
        """What must be met: Pre-Depends, then Depends."""
        return self.pre_depends + self.depends

    def __str__(self) -> str:
        return f"{self.name} ({self.version})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a base has. ``held`` are the packages that dpkg was told to leave as they are."""

    packages: tuple[BinaryPackage, ...] = ()
    held: frozenset[BinaryPackage] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AptArchiveSource:
    """One suite of an archive that indexes are read from (sources.list(5)).

    ``archive`` is the archive's name in a lock and ``url`` its canonical URL, which ends in '/'.
    A ``suite`` that ends in '/' is a folder of a flat repository, without components.
    ``keyrings`` hold OpenPGP certificates, armored or not; ``fingerprints`` narrow them down.
    """

    archive: str
    url: str
    suite: str
    components: tuple[str, ...]
    keyrings: tuple[bytes, ...] = field(repr=False)
    fingerprints: tuple[str, ...] = ()
    snapshot: str | None = None

    @property
    def is_flat(self) -> bool:
        """Whether the repository has no dists folder."""
        return self.suite.endswith("/")
