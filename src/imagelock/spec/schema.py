"""The JSON Schema (2020-12) of a spec, for editors; made of the shapes the parser walks.

``python -m imagelock.spec.schema`` prints what schemas/spec.schema.json holds. What the parser
accepts the schema accepts too. The parser alone knows some rules that span several fields.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from enum import StrEnum
from typing import Any, Final, assert_never

from imagelock.model.platform import Platform
from imagelock.model.spec import Spec
from imagelock.spec.rule import Rule
from imagelock.spec.shapes import (
    Choice,
    Field,
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

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPE_NAMES: Final = {str: "string", int: "integer", bool: "boolean"}

Schema = dict[str, Any]


def spec_schema() -> Schema:
    """The schema as a JSON value."""
    return {"$schema": SCHEMA_ID, "title": "imagelock spec", **_schema(table_shape(Spec))}


def schema_text() -> str:
    """The schema as it stands in schemas/spec.schema.json."""
    return json.dumps(spec_schema(), indent=2, ensure_ascii=False) + "\n"


def _schema(shape: Shape) -> Schema:  # noqa: C901 (a case each)
    schema: Schema
    match shape:
        case Text() | Words():
            schema = _string(shape.rule)
        case Flag():
            schema = {"type": "boolean"}
        case Choice():
            schema = {"type": "string", "enum": [choice.value for choice in shape.choices]}
        case Texts():
            schema = _texts(shape)
        case NamedTexts():
            schema = {
                "type": "object",
                "propertyNames": {"pattern": _whole(shape.key.pattern)},
                "additionalProperties": _texts(shape.value),
            }
        case Files():
            schema = _array({"oneOf": [_string(shape.rule), _chosen(shape)]})
        case Pairs():
            schema = _pairs(shape)
        case Table():
            schema = _table(shape)
        case Tables():
            schema = _array(_table(shape.item))
        case OneOf():
            schema = {"type": "object", "oneOf": [_table(table) for table in shape.tables]}
        case _:
            assert_never(shape)
    return schema


def _chosen(shape: Files) -> Schema:
    """A lock, and what is wanted of it."""
    names = _array({"type": "string"})
    return {
        "type": "object",
        "properties": {"path": _string(shape.rule), "extras": names, "groups": names},
        "required": ["path"],
        "additionalProperties": False,
    }


def _texts(shape: Texts) -> Schema:
    return _array(_string(shape.rule)) | ({"minItems": 1} if shape.needed else {})


def _string(rule: Rule) -> Schema:
    pattern = {"pattern": _whole(rule.pattern)} if rule.pattern else {}
    return {"type": "string", **pattern}


def _whole(pattern: str) -> str:
    return f"^({pattern})$"


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _pairs(shape: Pairs) -> Schema:
    types = [_TYPE_NAMES[kind] for kind in shape.types]
    value = _string(shape.value) | {"type": types if len(types) > 1 else types[0]}
    return {
        "type": "object",
        "propertyNames": {"pattern": _whole(shape.key.pattern)},
        "additionalProperties": value,
    }


def _table(shape: Table) -> Schema:
    needed = [field.key.toml for field in shape.fields if field.needed]
    return {
        "type": "object",
        "properties": {field.key.toml: _property(shape, field) for field in shape.fields},
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def _property(table: Table, field: Field) -> Schema:
    defaults = {item.name: item.default for item in dataclasses.fields(table.model)}
    default = _as_toml(defaults[field.key.attribute])
    shown = {} if default is None else {"default": default}
    return {"description": field.key.description} | shown | _schema(field.shape)


def _as_toml(default: object) -> object:
    """A default as a spec would write it; None where there is none to write."""
    match default:
        case StrEnum() | Platform():
            return str(default)
        case bool() | str():
            return default
        case tuple() if default:
            return [_as_toml(item) for item in default]
    return None


if __name__ == "__main__":
    sys.stdout.write(schema_text())
