"""The tables of model values, and the arrays of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from imagelock.lock.checks import Wrong
from imagelock.lock.kinds import Context, Keys, Kind
from imagelock.model.toml import inline_text, toml_type

_REQUIRED: Final = dataclasses.MISSING


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One key of a table: its model attribute, its kind and what it says.

    ``always`` writes it even at its default. ``everywhere`` is for ``platforms``: left out means
    all platforms of the lock.
    """

    key: str
    attribute: str
    kind: Kind
    description: str
    always: bool = False
    everywhere: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Embedded:
    """A model value whose keys are written in the table of the value that holds it."""

    attribute: str
    table: Table


class Table:
    """The table of one model class.

    ``identity`` names one instance among its siblings, for the places of unknown keys.
    """

    nested = True

    def __init__(
        self,
        model: Callable[..., object],
        *fields: Field | Embedded,
        identity: Callable[[object], str] | None = None,
        description: str = "",
    ) -> None:
        self.model = model
        self.fields = fields
        self.identity = identity
        self.description = description
        assert isinstance(model, type)
        self.defaults = {field.name: _default(field) for field in dataclasses.fields(model)}
        self.keys = frozenset(_keys(fields))

    def encode(self, value: object, context: Context, place: str) -> object:
        """The plain table, in the order of the fields, then the unknown keys."""
        table = self._encode_fields(value, context, place)
        if context.unknown:
            context.used.add(place)
            for key, text in context.unknown.get(place, ()):
                table[key] = parse_value(text)
        return table

    def _encode_fields(self, value: object, context: Context, place: str) -> dict[str, object]:
        table: dict[str, object] = {}
        for field in self.fields:
            item = getattr(value, field.attribute)
            if isinstance(field, Embedded):
                table.update(field.table._encode_fields(item, context, place))  # noqa: SLF001
            elif (
                field.always
                or (
                    item != self.defaults[field.attribute]
                    and not (field.everywhere and item == context.platforms)
                )
                or (context.unknown and context.holds_unknown(f"{place}.{field.key}"))
            ):
                try:
                    table[field.key] = field.kind.encode(item, context, f"{place}.{field.key}")
                except Wrong as wrong:
                    raise wrong.within(f".{field.key}") from None
        return table

    def decode(self, value: object, context: Context) -> object:
        """The model value. Keys that no field has are kept in the context."""
        if type(value) is not dict:
            msg = f"expected a table, got {toml_type(value)}"
            raise Wrong(msg)
        result, count = self._decode_fields(value, context)
        if count != len(value):
            keep_unknown(value, self.keys, context)
        return result

    def _decode_fields(self, value: Mapping[str, object], context: Context) -> tuple[object, int]:
        arguments: dict[str, object] = {}
        count = 0
        for field in self.fields:
            if isinstance(field, Embedded):
                arguments[field.attribute], more = field.table._decode_fields(  # noqa: SLF001
                    value, context
                )
                count += more
            elif field.key in value:
                count += 1
                arguments[field.attribute] = _decode_field(field, value[field.key], context)
            elif field.everywhere:
                arguments[field.attribute] = context.platforms
            elif self.defaults[field.attribute] is _REQUIRED:
                msg = f"expected the key '{field.key}', which is missing"
                raise Wrong(msg)
        return self.model(**arguments), count

    def schema(self) -> dict[str, object]:
        """An object that may have more keys: those of later minor versions are kept."""
        properties: dict[str, object] = {}
        required: list[str] = []
        for field, defaults in _flat(self):
            properties[field.key] = {**field.kind.schema(), "description": field.description}
            if field.always or (defaults[field.attribute] is _REQUIRED and not field.everywhere):
                required.append(field.key)
        described = {"description": self.description} if self.description else {}
        return {"type": "object", **described, "required": required, "properties": properties}


def _decode_field(field: Field, value: object, context: Context) -> object:
    mark = len(context.found)
    try:
        result = field.kind.decode(value, context)
    except Wrong as wrong:
        raise wrong.within(f".{field.key}") from None
    if field.kind.nested and len(context.found) > mark:
        context.prefix_found(mark, f".{field.key}")
    return result


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _keys(fields: tuple[Field | Embedded, ...]) -> list[str]:
    keys: list[str] = []
    for field in fields:
        keys += _keys(field.table.fields) if isinstance(field, Embedded) else [field.key]
    return keys


def _flat(table: Table) -> list[tuple[Field, dict[str, object]]]:
    flat: list[tuple[Field, dict[str, object]]] = []
    for field in table.fields:
        flat += _flat(field.table) if isinstance(field, Embedded) else [(field, table.defaults)]
    return flat


def keep_unknown(value: Mapping[str, object], known: frozenset[str], context: Context) -> None:
    """Put the keys that are not known into the context, as text."""
    keys: Keys = tuple(
        (key, inline_text(_sorted_tables(value[key]))) for key in sorted(value.keys() - known)
    )
    context.found.append(("", keys))


def _sorted_tables(value: object) -> object:
    """The same value, the keys of its tables sorted: their order has no meaning."""
    if isinstance(value, dict):
        return {key: _sorted_tables(value[key]) for key in sorted(value)}
    return [_sorted_tables(item) for item in value] if isinstance(value, list) else value


def parse_value(text: str) -> object:
    """The TOML value of a text that :func:`keep_unknown` made."""
    import tomllib  # only for the locks of later versions

    return tomllib.loads(f"value = {text}")["value"]


class Tables:
    """An array of tables of one model class, as a tuple in the model."""

    nested = True

    def __init__(self, table: Table) -> None:
        assert table.identity is not None
        self.table = table
        self.identity = table.identity

    def encode(self, value: object, context: Context, place: str) -> object:
        """The tables, in their order."""
        assert isinstance(value, tuple)
        tables = []
        for index, item in enumerate(value):
            inner = f"{place}[{self.identity(item)}]" if context.unknown else ""
            try:
                tables.append(self.table.encode(item, context, inner))
            except Wrong as wrong:
                raise wrong.within(f"[{index}]") from None
        return tables

    def decode(self, value: object, context: Context) -> object:
        """The model values, in their order."""
        if type(value) is not list:
            msg = f"expected an array of tables, got {toml_type(value)}"
            raise Wrong(msg)
        items = []
        for index, table in enumerate(value):
            mark = len(context.found)
            try:
                item = self.table.decode(table, context)
            except Wrong as wrong:
                raise wrong.within(f"[{index}]") from None
            if len(context.found) > mark:
                context.prefix_found(mark, f"[{self.identity(item)}]")
            items.append(item)
        return tuple(items)

    def schema(self) -> dict[str, object]:
        """An array of objects."""
        return {"type": "array", "items": self.table.schema()}


class Variants:
    """A table that is one of several model classes: the one whose first key it has."""

    nested = True

    def __init__(self, *tables: Table) -> None:
        self.tables = {_keys(table.fields)[0]: table for table in tables}

    def encode(self, value: object, context: Context, place: str) -> object:
        """The table of the value's class."""
        for table in self.tables.values():
            if table.model is type(value):
                return table.encode(value, context, place)
        msg = f"expected a base, got {type(value).__name__}"
        raise Wrong(msg)

    def decode(self, value: object, context: Context) -> object:
        """The value of the class whose first key is there; Wrong unless exactly one is."""
        present = [key for key in self.tables if type(value) is dict and key in value]
        if len(present) != 1:
            found = " and ".join(present) or "none of them"
            msg = f"expected a table with one of {', '.join(self.tables)}, got {found}"
            raise Wrong(msg)
        return self.tables[present[0]].decode(value, context)

    def schema(self) -> dict[str, object]:
        """Exactly one of the objects."""
        return {"oneOf": [table.schema() for table in self.tables.values()]}
