"""Who requires what in a resolved set: the edges that a lock keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imagelock.model.debian import Alternatives, BinaryPackage
from imagelock.model.lock import SPEC_ROOT, Requirer
from imagelock.resolve.apt.index import Key
from imagelock.resolve.apt.state import State


def required_by(
    state: State,
    roots: Mapping[Key, tuple[Requirer, ...]],
    *,
    recommends: bool,
) -> dict[Key, tuple[Requirer, ...]]:
    """The requirers of every selected package, sorted: roots, then packages with their relation.

    A group that several packages meet counts for the first alternative that is met.
    """
    found: dict[Key, set[Requirer]] = {key: set(edges) for key, edges in roots.items()}
    for key, package in state.selected.items():
        for group in _groups(package, recommends=recommends):
            target = state.meeting(group, key[1])
            if target is None:
                continue
            edge = Requirer(name=_label(key, state.native), specifier=_text(group, target))
            found.setdefault(state.key(target), set()).add(edge)
    return {key: tuple(sorted(edges)) for key, edges in found.items()}


def _groups(package: BinaryPackage, *, recommends: bool) -> Iterable[Alternatives]:
    wanted = package.relations_depended_on
    return wanted + package.recommends if recommends else wanted


def _label(key: Key, native: str) -> str:
    return key[0] if key[1] == native else f"{key[0]}:{key[1]}"


def _text(group: Alternatives, target: BinaryPackage) -> str:
    """The constraint, or the whole group where the package was not named alone."""
    if len(group) == 1 and group[0].name == target.name:
        return group[0].specifier
    return " | ".join(map(str, group))


def removed_by(
    state: State, removed: Iterable[BinaryPackage], asked: frozenset[Key]
) -> dict[Key, tuple[Requirer, ...]]:
    """Why packages of the base are gone: the spec, or the selected packages that exclude them.

    A package that went because what it needed went has nobody to name.
    """
    found: dict[Key, tuple[Requirer, ...]] = {}
    for package in removed:
        key = state.key(package)
        edges = {
            Requirer(name=_label(other, state.native), specifier=f"{word} {relation}")
            for other, selected in state.selected.items()
            for word, groups in (("Conflicts", selected.conflicts), ("Breaks", selected.breaks))
            for group in groups
            for relation in group
            if state.clashes(package, relation, selected)
        }
        if key in asked:
            edges.add(Requirer(name=SPEC_ROOT))
        found[key] = tuple(sorted(edges))
    return found
