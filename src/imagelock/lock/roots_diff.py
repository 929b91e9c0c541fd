"""What differs between two specs, value by value, over the table of the roots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imagelock.lock.checks import Wrong
from imagelock.lock.kinds import Context, Kind, Platforms
from imagelock.lock.lists import Pairs, Strings
from imagelock.lock.normal import normalise_spec
from imagelock.lock.roots import ROOTS
from imagelock.lock.tables import Field, Table, Tables, Variants
from imagelock.model.errors import LockError
from imagelock.model.pip_spec import LocalContent, RequirementsFile
from imagelock.model.spec import AptSource, Spec
from imagelock.model.toml import inline_text, key_text


class ChangeKind(StrEnum):
    """What happened to a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootChange:
    """One difference. ``path`` is the spec's key, or the requirements file it is in.

    ``key`` is the first part of the spec's key. ``old`` and ``new`` are values as text, None
    where there is none.
    """

    key: str
    path: str
    kind: ChangeKind
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        if self.kind is ChangeKind.ADDED:
            return f"{self.path}: {self.new} was added"
        if self.kind is ChangeKind.REMOVED:
            return f"{self.path}: {self.old} was removed"
        return f"{self.path}: {self.old} → {self.new}"


Step = tuple[str, str | None, str | None]
"""A path with the old and the new value as text."""


def changed_roots(old: Spec, new: Spec) -> tuple[RootChange, ...]:
    """Every difference between two specs, in the order of a spec's keys.

    Raise LockError for a spec that no lock could hold.
    """
    before, after = normalise_spec(old), normalise_spec(new)
    changes: list[RootChange] = []
    for field in ROOTS.fields:
        assert isinstance(field, Field)
        try:
            steps = list(_field_steps(field, before, after, ""))
        except Wrong as wrong:
            raise LockError(wrong.message, where=field.key + wrong.path, hint=wrong.hint) from None
        changes += [_change(field.key, *step) for step in steps]
    return tuple(changes)


def _change(key: str, path: str, old: str | None, new: str | None) -> RootChange:
    kind = ChangeKind.CHANGED
    if old is None:
        kind = ChangeKind.ADDED
    elif new is None:
        kind = ChangeKind.REMOVED
    return RootChange(key=key, path=path, kind=kind, old=old, new=new)


def _table_steps(table: Table, old: object, new: object, prefix: str) -> Iterator[Step]:
    for field in table.fields:
        assert isinstance(field, Field)
        yield from _field_steps(field, old, new, prefix)


def _field_steps(field: Field, old: object, new: object, prefix: str) -> Iterator[Step]:
    before, after = getattr(old, field.attribute), getattr(new, field.attribute)
    if before == after:
        return
    path = prefix + field.key
    kind = field.kind
    if before is None or after is None:
        yield path, _text(kind, before), _text(kind, after)
    elif isinstance(kind, Variants):
        yield from _variant_steps(kind, before, after, path)
    elif isinstance(kind, Table):
        yield from _table_steps(kind, before, after, f"{path}.")
    elif isinstance(kind, Pairs):
        yield from _pair_steps(kind, dict(before), dict(after), path)
    elif isinstance(kind, Tables):
        yield from _tables_steps(kind.table, before, after, path)
    elif isinstance(kind, Strings | Platforms):
        yield from _item_steps(list(map(str, before)), list(map(str, after)), path)
    else:
        yield path, _text(kind, before), _text(kind, after)


def _tables_steps(
    table: Table, old: tuple[Any, ...], new: tuple[Any, ...], path: str
) -> Iterator[Step]:
    if table.model is RequirementsFile:
        yield from _file_steps(table, old, new, path)
    elif table.model is AptSource:
        yield from _source_steps(table, old, new, path)
    elif table.model is LocalContent:
        yield from _local_steps(old, new)
    else:
        yield from _item_steps(_texts(table, old), _texts(table, new), path)


def _text(kind: Kind, value: object) -> str | None:
    """A value as a person reads it: a string without quotes, all else as in the file."""
    if value is None:
        return None
    plain = str(value) if isinstance(value, str) else kind.encode(value, Context(), "")
    shows = isinstance(plain, str) and plain and plain.isprintable()
    return str(plain) if shows else inline_text(plain)


def _texts(table: Table, values: tuple[object, ...]) -> list[str]:
    return [inline_text(table.encode(value, Context(), "")) for value in values]


def _variant_steps(kind: Variants, old: object, new: object, path: str) -> Iterator[Step]:
    if type(old) is type(new):
        table = next(table for table in kind.tables.values() if table.model is type(old))
        yield from _table_steps(table, old, new, f"{path}.")
    else:
        yield path, _bare(kind.encode(old, Context(), "")), _bare(kind.encode(new, Context(), ""))


def _bare(table: object) -> str:
    assert isinstance(table, dict)
    return ", ".join(f"{key} {value}" for key, value in table.items())


def _pair_steps(
    kind: Pairs, old: Mapping[str, object], new: Mapping[str, object], path: str
) -> Iterator[Step]:
    for key in sorted(old.keys() | new.keys()):
        before, after = _text(kind.value, old.get(key)), _text(kind.value, new.get(key))
        if before != after:
            yield f"{path}.{key_text(key)}", before, after


def _file_steps(
    table: Table, old: tuple[object, ...], new: tuple[object, ...], path: str
) -> Iterator[Step]:
    """Requirements files by their path; what is in them is named by the file."""
    before = {file.path: file for file in old if isinstance(file, RequirementsFile)}
    after = {file.path: file for file in new if isinstance(file, RequirementsFile)}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield path, name, None
        elif name not in before:
            yield path, None, name
        else:
            for place, *values in _table_steps(table, before[name], after[name], ""):
                part = "" if place == "requirements" else f" {place}"
                yield f"{name}{part}", values[0], values[1]


def _source_steps(
    table: Table, old: tuple[object, ...], new: tuple[object, ...], path: str
) -> Iterator[Step]:
    """Sources that stay, by where they are: what changed in each; others as whole items."""
    assert table.identity is not None
    names = [table.identity(item) for item in old]
    if names == [table.identity(item) for item in new] and len(set(names)) == len(names):
        for name, before, after in zip(names, old, new, strict=True):
            yield from _table_steps(table, before, after, f"{path} '{name}' ")
    else:
        yield from _item_steps(_texts(table, old), _texts(table, new), path)


def _local_steps(old: Iterable[LocalContent], new: Iterable[LocalContent]) -> Iterator[Step]:
    """Files and folders by their path; those that came or went do so with a requirement."""
    before = {item.path: item.sha256 for item in old}
    after = {item.path: item.sha256 for item in new}
    for path in sorted(before.keys() | after.keys()):
        first, second = before.get(path), after.get(path)
        if first != second:
            yield path, _content(first), _content(second)


def _content(digest: str | None) -> str | None:
    return None if digest is None else f"content {digest[:12]}"


def _item_steps(old: list[str], new: list[str], path: str) -> Iterator[Step]:
    """Items that went, came, or were replaced by another of the same name; or a new order."""
    gone = list((Counter(old) - Counter(new)).elements())
    come = list((Counter(new) - Counter(old)).elements())
    if not gone and not come:
        yield path, f"[{', '.join(old)}]", f"[{', '.join(new)}]"
    for item in gone:
        yield path, item, _replacement(item, gone, come)
    for item in come:
        if _replacement(item, come, gone) is None:
            yield path, None, item


def _replacement(item: str, own: list[str], other: list[str]) -> str | None:
    """The one item of ``other`` with the name of an item, when that is the one of ``own``."""
    name = _name(item)
    found = [candidate for candidate in other if _name(candidate) == name]
    alone = sum(_name(candidate) == name for candidate in own) == 1
    return found[0] if alone and len(found) == 1 else None


def _name(item: str) -> str:
    """The name at the start of a requirement, an apt package or a match spec."""
    match = re.match(r"(?:[\w.-]+::)?([^\s=<>!~;@\[/:(,*]+)", item)
    return match[1].lower() if match else item
