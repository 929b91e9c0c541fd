"""A Spec as canonical TOML: the inverse of the parser, for what is normalised already.

Equal specs give equal bytes: keys in the order of :mod:`imagelock.spec.keys`, each array as the
parser sorts it, what has its default left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, assert_never

from imagelock.model.pip_spec import RequirementsFile
from imagelock.model.spec import Base, Spec
from imagelock.model.toml import field_lines, has_header, headed
from imagelock.spec.rules_gpu import without_driver
from imagelock.spec.shapes import (
    Choice,
    Files,
    Flag,
    NamedTexts,
    OneOf,
    Pairs,
    Shape,
    Table,
    Tables,
    Text,
    Texts,
    Words,
    table_shape,
)

Document = dict[str, Any]
"""TOML data: what ``tomllib`` gives."""

_ALWAYS: Final = frozenset({"name", "base"})
"""Written even where the model has a default for them."""


def spec_document(spec: Spec) -> Document:
    """The least TOML data that the parser reads as this spec."""
    return _table(table_shape(Spec), without_driver(spec))


def base_document(base: Base) -> Document:
    """The ``[base]`` table alone."""
    kind: type = type(base)
    return _table(table_shape(kind), base)


def document_text(document: Mapping[str, Any]) -> str:
    """TOML of a document: plain keys first, then tables under headers, one field a line."""
    lines: list[str] = []
    for key, value in document.items():
        if not has_header(value):
            lines += field_lines(key, value)
    lines.append("")
    for key, value in document.items():
        if has_header(value):
            lines += headed(key, value)
    return "\n".join(lines).strip("\n") + "\n"


def spec_text(spec: Spec) -> str:
    """The canonical TOML text of a spec; parsing it beside its files gives the spec again."""
    return document_text(spec_document(spec))


def _file(file: RequirementsFile) -> object:
    """A file's path, or a table with what is wanted of a lock."""
    chosen = {"extras": list(file.extras), "groups": list(file.groups)}
    kept = {key: names for key, names in chosen.items() if names}
    return {"path": file.path, **kept} if kept else file.path


def _table(shape: Table, value: object) -> Document:
    defaults = {field.name: field.default for field in dataclasses.fields(shape.model)}
    document: Document = {}
    for field in shape.fields:
        held = getattr(value, field.key.attribute)
        if held == defaults[field.key.attribute] and field.key.toml not in _ALWAYS:
            continue
        document[field.key.toml] = _written(field.shape, held)
    return document


def _written(shape: Shape, value: Any) -> Any:  # noqa: ANN401, C901, PLR0911 (TOML of any type, a case each)
    match shape:
        case Text() | Choice():
            return str(value)
        case Words():
            return " ".join(value)
        case Flag():
            return value
        case Texts():
            return [str(item) for item in value]
        case Files():
            return [_file(file) for file in value]
        case Pairs():
            return dict(value)
        case NamedTexts():
            return {name: list(items) for name, items in value}
        case Table():
            return _table(shape, value)
        case Tables():
            return [_table(shape.item, item) for item in value]
        case OneOf():
            return _table(next(t for t in shape.tables if isinstance(value, t.model)), value)
        case _:
            assert_never(shape)
