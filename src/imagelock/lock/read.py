"""TOML → plain data, several times faster than the standard library for what this package wrote.

The tables of pins are most of a lock and have one form each. They are read line by line; whatever
is not exactly of that form is left to :mod:`tomllib`, with the whole text. So the two always agree,
and every error is the standard library's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

_STRING = r'"([^"\\\x00-\x1f\x7f]*)"'
_TAIL = re.compile(r"^\[\[(?!roots\.)", re.MULTILINE)
_HEADER = re.compile(r"\[\[([a-z-]+)\]\]\Z").match
_FIELD = re.compile(
    rf"([a-z0-9-]+) = (?:{_STRING}|(0|[1-9][0-9]{{0,15}})|(true|false)|\[(.*))\Z"
).match
_ITEM = re.compile(
    rf"(?:{_STRING}|\{{ name = {_STRING}(?:, (specifier|sha256) = {_STRING})? \}})\Z"
).match

Table = dict[str, object]


class _OtherForm(Exception):
    """The text is not of the form that is read here."""


def read_toml(text: str) -> dict[str, object]:
    """The data of a TOML text. Raise tomllib.TOMLDecodeError."""
    tail = _TAIL.search(text)
    if tail is not None:
        try:
            head = tomllib.loads(text[: tail.start()])
            sections = _sections(text[tail.start() :])
        except (tomllib.TOMLDecodeError, _OtherForm):
            return tomllib.loads(text)
        if not head.keys() & sections.keys():
            return {**head, **sections}
    return tomllib.loads(text)


def _sections(text: str) -> dict[str, list[Table]]:
    """Tables of fields, arrays of tables all of them."""
    sections: dict[str, list[Table]] = {}
    table: Table = {}
    lines = iter(text.split("\n"))
    for line in lines:
        field = _FIELD(line)
        if field is not None:
            key, string, number, flag, array = field.groups()
            if key in table:
                raise _OtherForm
            if string is not None:
                table[key] = string
            elif number is not None:
                table[key] = int(number)
            elif flag is not None:
                table[key] = flag == "true"
            else:
                table[key] = _array(array, lines)
        elif line.startswith("[["):
            header = _HEADER(line)
            if header is None:
                raise _OtherForm
            table = {}
            sections.setdefault(header[1], []).append(table)
        elif line and not (line.startswith("# ") and line.isprintable()):
            raise _OtherForm
    return sections


def _array(rest: str, lines: Iterator[str]) -> list[object]:
    """What follows an opening bracket: one item and the end, or items on lines of their own."""
    if rest:
        if not rest.endswith("]"):
            raise _OtherForm
        return [_item(rest[:-1])] if rest != "]" else []
    items: list[object] = []
    for line in lines:
        if line == "]":
            return items
        if not (line.startswith("  ") and line.endswith(",")):
            raise _OtherForm
        items.append(_item(line[2:-1]))
    raise _OtherForm


def _item(text: str) -> object:
    """A string, or a table with a name and maybe a specifier or a hash."""
    item = _ITEM(text)
    if item is None:
        raise _OtherForm
    string, name, key, value = item.groups()
    if string is not None:
        return string
    return {"name": name} if key is None else {"name": name, key: value}
