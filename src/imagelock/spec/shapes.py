"""The shape of a spec: the model's dataclasses, joined with what TOML calls their fields.

Parser and schema both walk the shapes built here, so that they cannot disagree. A shape comes
from a field's annotation; :mod:`imagelock.spec.keys` adds what an annotation cannot say.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.keys import KEYS, Key
from imagelock.spec.rule import Rule


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Words:
    """A string of several words, which becomes a tuple."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed set of strings."""

    choices: type[StrEnum]


@dataclass(frozen=True, slots=True)
class Texts:
    """An array of strings, sorted and without doubles unless its order means something."""

    rule: Rule
    ordered: bool
    repeats: bool
    needed: bool


@dataclass(frozen=True, slots=True)
class Files:
    """An array of paths of requirements files, each read and parsed."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Pairs:
    """A table with keys of a person's choice; ``types`` are those that its values may have."""

    key: Rule
    value: Rule
    types: tuple[type, ...]


@dataclass(frozen=True, slots=True)
class NamedTexts:
    """A table with keys of a person's choice, normalised, and an array of strings for each."""

    key: Rule
    value: Texts


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table and the shape of its value. ``needed``: the table must have it."""

    key: Key
    shape: Shape
    needed: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table that becomes a value of ``model``."""

    model: type
    fields: tuple[Field, ...]

    @property
    def leading(self) -> str:
        """The key that tells this table from its alternatives."""
        return self.fields[0].key.toml


@dataclass(frozen=True, slots=True)
class Tables:
    """An array of tables."""

    item: Table


@dataclass(frozen=True, slots=True)
class OneOf:
    """A table of one of several kinds, told apart by their leading keys."""

    tables: tuple[Table, ...]


Shape = Text | Words | Flag | Choice | Texts | Files | Pairs | NamedTexts | Table | Tables | OneOf


@cache
def table_shape(model: type) -> Table:
    """The shape of a dataclass of the model."""
    annotations = get_type_hints(model)
    defaults = {field.name: field.default for field in dataclasses.fields(model)}
    return Table(
        model,
        tuple(
            Field(
                key,
                _shape(annotations[key.attribute], key),
                needed=defaults[key.attribute] is dataclasses.MISSING and not key.derived,
            )
            for key in KEYS[model]
        ),
    )


def _shape(annotation: Any, key: Key) -> Shape:  # noqa: ANN401 (annotations are of any type)
    kinds = _without_none(annotation)
    if len(kinds) > 1:
        return OneOf(tuple(table_shape(kind) for kind in kinds))
    kind = kinds[0]
    if get_origin(kind) is tuple:
        return _sequence(get_args(kind)[0], key)
    if kind is bool:
        return Flag()
    if dataclasses.is_dataclass(kind) and kind in KEYS:
        return table_shape(kind)
    if issubclass(kind, StrEnum):
        return Choice(kind)
    return Text(key.value_rule)


def _sequence(item: Any, key: Key) -> Shape:  # noqa: ANN401 (annotations are of any type)
    if get_origin(item) is tuple:
        assert key.name_rule is not None, "tables of free keys have a rule for them"
        held = get_args(item)[1]
        if get_origin(held) is tuple:
            texts = Texts(key.value_rule, key.ordered, key.repeats, key.filled)
            return NamedTexts(key.name_rule, texts)
        return Pairs(key.name_rule, key.value_rule, tuple(_without_none(held)))
    if item is RequirementsFile:
        return Files(key.value_rule)
    if dataclasses.is_dataclass(item) and item in KEYS:
        return Tables(table_shape(item))
    if key.words:
        return Words(key.value_rule)
    return Texts(key.value_rule, key.ordered, key.repeats, key.filled)


def _without_none(annotation: Any) -> list[Any]:  # noqa: ANN401 (annotations are of any type)
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return [kind for kind in kinds if kind is not NoneType]
