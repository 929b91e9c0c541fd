"""Kinds that hold strings and the like: arrays, and tables with free keys."""

from __future__ import annotations

from imagelock.lock.checks import Within, Wrong
from imagelock.lock.kinds import Context, Kind
from imagelock.model.toml import key_text, toml_type


class Strings:
    """A list of strings, as a tuple in the model."""

    nested = False

    def __init__(self, item: Kind, *, least: int = 0) -> None:
        self.item = item
        self.least = least

    def encode(self, value: object, context: Context, place: str) -> object:
        """The strings, in their order."""
        assert isinstance(value, tuple)
        items = []
        for index, item in enumerate(value):
            with Within(f"[{index}]"):
                items.append(self.item.encode(item, context, place))
        return items

    def decode(self, value: object, context: Context) -> object:
        """A tuple in the same order."""
        if type(value) is not list:
            msg = f"expected an array of strings, got {toml_type(value)}"
            raise Wrong(msg)
        if len(value) < self.least:
            msg = f"expected at least {self.least} item, got none"
            raise Wrong(msg)
        items = []
        for index, item in enumerate(value):
            with Within(f"[{index}]"):
                items.append(self.item.decode(item, context))
        return tuple(items)

    def schema(self) -> dict[str, object]:
        """An array."""
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.item.schema(), **least}


class Pairs:
    """A table with free keys, as sorted pairs in the model."""

    nested = False

    def __init__(self, value: Kind) -> None:
        self.value = value

    def encode(self, value: object, context: Context, place: str) -> object:
        """The table, in the order of the pairs."""
        assert isinstance(value, tuple)
        table = {}
        for key, item in value:
            with Within(f".{key_text(key)}"):
                table[key] = self.value.encode(item, context, place)
        return table

    def decode(self, value: object, context: Context) -> object:
        """The pairs, sorted by key."""
        if type(value) is not dict:
            msg = f"expected a table, got {toml_type(value)}"
            raise Wrong(msg)
        pairs = []
        for key in sorted(value):
            with Within(f".{key_text(key)}"):
                pairs.append((key, self.value.decode(value[key], context)))
        return tuple(pairs)

    def schema(self) -> dict[str, object]:
        """An object with values of one kind."""
        return {"type": "object", "additionalProperties": self.value.schema()}
