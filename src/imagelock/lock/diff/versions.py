"""Versions as their ecosystems order them, and constraints as they read them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from imagelock.lock.diff.model import Direction
from imagelock.model.conda_version import compare_conda_versions
from imagelock.model.debian_version import compare_debian_versions

_RELATION = re.compile(r"(<<|<=|=|>=|>>)\s*(\S+)\Z")


def direction(kind: str, old: str, new: str) -> Direction:
    """How a package moved from one version to another."""
    if kind.startswith("apt"):
        order = compare_debian_versions(old, new)
    else:
        order = compare_conda_versions(old, new) if kind == "conda" else _compare(old, new)
    if not order:
        return Direction.REPLACED
    return Direction.UPGRADED if order < 0 else Direction.DOWNGRADED


@lru_cache(maxsize=4096)
def _compare(old: str, new: str) -> int:
    """By PEP 440; 0 also where one of the two is no such version."""
    from packaging.version import InvalidVersion, Version  # a quarter of a command's start

    try:
        first, second = Version(old), Version(new)
    except InvalidVersion:
        return 0
    return (first > second) - (first < second)


def allows(kind: str, specifier: str, version: str) -> bool | None:
    """Whether a constraint admits a version; None when it cannot be told from here."""
    if not specifier:
        return True
    if kind.startswith("apt"):
        return _debian_allows(specifier, version)
    return _pip_allows(specifier, version) if kind in {"pip", "pip-build", "python"} else None


def _debian_allows(specifier: str, version: str) -> bool | None:
    """One relation (Debian Policy 7.1), or apt's ``=7.88.*``; an or-group cannot be told."""
    match = _RELATION.match(specifier)
    if match is None:
        return None
    operator, wanted = match.groups()
    if operator == "=" and "*" in wanted:
        return fnmatchcase(version, wanted)
    order = compare_debian_versions(version, wanted)
    return {
        "<<": order < 0,
        "<=": order <= 0,
        "=": order == 0,
        ">=": order >= 0,
        ">>": order > 0,
    }[operator]


@lru_cache(maxsize=4096)
def _pip_allows(specifier: str, version: str) -> bool | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # as above
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None
