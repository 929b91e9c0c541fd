"""Tables that do not change: what an ImageSpec keeps of the dicts it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

Value = TypeVar("Value", covariant=True)  # noqa: PLC0105 (read only)


class FrozenTable(Mapping[str, Value]):
    """A mapping in the order of its keys; equal to a dict of the same content, and hashable."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] = {}) -> None:
        self._items: Final = {key: frozen(items[key]) for key in sorted(items)}

    def __getitem__(self, key: str) -> Value:
        value: Value = self._items[key]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenTable[Any]], tuple[dict[str, Any]]]:
        return type(self), (thawed(self),)


def frozen(value: Any) -> Any:  # noqa: ANN401 (TOML values of any type)
    """The value with lists as tuples and dicts as frozen tables, all the way down."""
    if isinstance(value, FrozenTable):
        return value
    if isinstance(value, Mapping):
        return FrozenTable(value)
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def thawed(value: Any) -> Any:  # noqa: ANN401 (TOML values of any type)
    """The value as plain lists and dicts, which may be changed."""
    if isinstance(value, Mapping):
        return {key: thawed(item) for key, item in value.items()}
    return list(map(thawed, value)) if isinstance(value, list | tuple) else value
