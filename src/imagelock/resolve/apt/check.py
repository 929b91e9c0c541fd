"""The independent check of a final set: no solver is trusted with what a lock promises."""

from __future__ import annotations

from collections.abc import Iterable

from imagelock.model.debian import BinaryPackage
from imagelock.resolve.apt.state import State


def unmet(packages: Iterable[BinaryPackage], native: str) -> tuple[str, ...]:
    """Every dependency that nothing in the set meets and every pair that excludes each other.

    Each as one readable line; empty for a set that dpkg would configure without complaint.
    """
    state = State(native)
    for package in packages:
        state.put(package)
    found: list[str] = []
    for key, package in state.selected.items():
        found.extend(
            f"{package} needs {' | '.join(map(str, group))}, which nothing provides"
            for group in package.relations_depended_on
            if not state.is_met(group, key[1])
        )
        found.extend(
            f"{package} excludes {other}"
            for group in package.conflicts + package.breaks
            for relation in group
            for other in state.called(relation.name)
            if state.clashes(other, relation, package)
        )
    return tuple(dict.fromkeys(found))
