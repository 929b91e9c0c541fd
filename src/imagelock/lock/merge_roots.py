"""Three-way merge of specs, field by field, over the table of the roots."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from imagelock.lock.lists import Pairs
from imagelock.lock.roots import ROOTS
from imagelock.lock.tables import Field, Table
from imagelock.model.spec import Spec
from imagelock.model.toml import key_text

T = TypeVar("T")

BOTH_CHANGED: Final = "both sides changed it"
_GONE: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict:
    """One reason why two locks cannot be one. ``place`` is like ``roots.env.MODE`` or ``pip``."""

    place: str
    reason: str = BOTH_CHANGED

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class BothChanged(Exception):
    """Both sides changed a value, each to another."""


def three_way(base: T, ours: T, theirs: T) -> T:
    """The value of the side that changed it. Raise BothChanged when both did, differently."""
    if _same(theirs, ours) or _same(theirs, base):
        return ours
    if _same(ours, base):
        return theirs
    raise BothChanged


def _same(one: object, two: object) -> bool:
    """Equal and of one type: to Python, but not to a builder's options, 1 is True."""
    return type(one) is type(two) and one == two


def merge_roots(base: Spec, ours: Spec, theirs: Spec) -> tuple[Spec, tuple[MergeConflict, ...]]:
    """The merged spec, and the fields that both sides changed; those stay as in ``ours``."""
    conflicts: list[MergeConflict] = []
    merged = _merge_table(ROOTS, (base, ours, theirs), "roots", conflicts)
    assert isinstance(merged, Spec)
    return merged, tuple(conflicts)


Sides = tuple[object, object, object]
"""The values in the base, in ours and in theirs."""


def _merge_table(table: Table, sides: Sides, place: str, conflicts: list[MergeConflict]) -> object:
    changes = {}
    for field in table.fields:
        assert isinstance(field, Field)
        base, ours, theirs = (getattr(side, field.attribute) for side in sides)
        values = (base, ours, theirs)
        changes[field.attribute] = _merge_value(field, values, f"{place}.{field.key}", conflicts)
    return dataclasses.replace(sides[1], **changes)  # type: ignore[type-var]  # every model value is a dataclass


def _merge_value(field: Field, sides: Sides, place: str, conflicts: list[MergeConflict]) -> object:
    if isinstance(field.kind, Table) and None not in sides:
        return _merge_table(field.kind, sides, place, conflicts)
    if isinstance(field.kind, Pairs):
        base, ours, theirs = map(_mapping, sides)
        return tuple(_merge_keys(base, ours, theirs, place, conflicts).items())
    try:
        return three_way(*sides)
    except BothChanged:
        conflicts.append(MergeConflict(place=place))
        return sides[1]


def _mapping(pairs: object) -> dict[str, object]:
    assert isinstance(pairs, tuple)
    return dict(pairs)


def _merge_keys(
    base: Mapping[str, object],
    ours: Mapping[str, object],
    theirs: Mapping[str, object],
    place: str,
    conflicts: list[MergeConflict],
) -> dict[str, object]:
    merged = {}
    for key in sorted(base.keys() | ours.keys() | theirs.keys()):
        sides = (base.get(key, _GONE), ours.get(key, _GONE), theirs.get(key, _GONE))
        try:
            value = three_way(*sides)
        except BothChanged:
            conflicts.append(MergeConflict(place=f"{place}.{key_text(key)}"))
            value = sides[1]
        if value is not _GONE:
            merged[key] = value
    return merged


def merge_mappings(
    base: Mapping[str, object],
    ours: Mapping[str, object],
    theirs: Mapping[str, object],
    place: str,
) -> tuple[dict[str, object], tuple[MergeConflict, ...]]:
    """Three mappings merged key by key, sorted; keys that both sides changed stay as in ours."""
    conflicts: list[MergeConflict] = []
    return _merge_keys(base, ours, theirs, place, conflicts), tuple(conflicts)
