"""What ``package/suite`` means for the package's dependencies (apt-get(8)).

The suite's versions are also taken for dependencies, of any depth, where they are needed: where
neither what is installed nor the candidate meets the relation.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagelock.model.debian import Alternatives, BinaryPackage
from imagelock.resolve.apt.index import Index, Key


def in_suite(index: Index, key: Key, suite: str) -> tuple[BinaryPackage, ...]:
    """The versions of a package that a suite (by any of its names) lists, newest first."""
    return tuple(
        package
        for package, _priority in index.versions(key)
        if any(suite in file.names for file in index.files_of(key, package.version))
    )


def followers(
    index: Index, base: Mapping[Key, BinaryPackage], package: BinaryPackage, suite: str
) -> dict[Key, BinaryPackage]:
    """The dependencies, of any depth, that have to come from the package's suite."""
    found: dict[Key, BinaryPackage] = {}
    waiting = [package]
    while waiting:
        current = waiting.pop()
        for group in current.relations_depended_on:
            chosen = _needed(index, base, index.key(current)[1], group, suite)
            if chosen is not None and index.key(chosen) not in found:
                found[index.key(chosen)] = chosen
                waiting.append(chosen)
    return found


def _needed(
    index: Index,
    base: Mapping[Key, BinaryPackage],
    architecture: str,
    group: Alternatives,
    suite: str,
) -> BinaryPackage | None:
    fallback: BinaryPackage | None = None
    for relation in group:
        key = (relation.name, architecture)
        installed = base.get(key)
        candidate = index.candidate(key, installed)
        if any(item and relation.allows(item.version) for item in (installed, candidate)):
            return None
        offered = (item for item in in_suite(index, key, suite) if relation.allows(item.version))
        fallback = fallback or next(offered, None)
    return fallback
