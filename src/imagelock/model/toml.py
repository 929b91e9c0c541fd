"""TOML as this package writes it: one field a line, one item of a longer array a line.

Only what a lock holds is written, in one way each, so that equal values give equal bytes
(TOML 1.0.0). Reading is the standard library's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from math import isinf, isnan

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z").match
_NEEDS_ESCAPE = re.compile(r'[\x00-\x1f"\\\x7f]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_type(value: object) -> str:
    """What a person calls the type of a TOML value, with its article."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    kind = type(value)
    if kind in names:
        return names[kind]
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, Sequence):
        return "an array"
    return "a date or time" if isinstance(value, date | time) else kind.__name__


def string_text(text: str) -> str:
    """A basic string, everything that must be escaped escaped."""
    if _NEEDS_ESCAPE.search(text) is None:
        return f'"{text}"'
    escaped = _NEEDS_ESCAPE.sub(
        lambda match: _ESCAPES.get(match[0], f"\\u{ord(match[0]):04X}"), text
    )
    return f'"{escaped}"'


def key_text(key: str) -> str:
    """A bare key where it can be one."""
    return key if _BARE_KEY(key) else string_text(key)


def inline_text(value: object) -> str:
    """Any TOML value on one line. Keys of tables keep their order."""
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key_text(key)} = {inline_text(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(inline_text, value))}]"
    return _rare_text(value)


def _rare_text(value: object) -> str:
    """The types that only keys of later versions have."""
    if isinstance(value, float):
        if isnan(value) or isinf(value):
            return str(value)
        text = repr(value)
        return text if "." in text or "e" in text else f"{text}.0"
    if isinstance(value, datetime) and value.tzinfo is not None:
        if value.utcoffset() == UTC.utcoffset(None):
            return value.replace(tzinfo=None).isoformat() + "Z"
        return value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    msg = f"not a TOML value: {value!r}"
    raise TypeError(msg)


def field_lines(key: str, value: object) -> list[str]:
    """The lines of one field. An array of several items has a line for each."""
    if isinstance(value, list) and len(value) > 1:
        items = [f"  {inline_text(item)}," for item in value]
        return [f"{key_text(key)} = [", *items, "]"]
    return [f"{key_text(key)} = {inline_text(value)}"]


def flat_table(header: str, table: Mapping[str, object]) -> list[str]:
    """A table whose values are all written inline, with an empty line after it."""
    lines = [header]
    for key, value in table.items():
        lines += field_lines(key, value)
    lines.append("")
    return lines


def nested_table(header: str, path: str, table: Mapping[str, object]) -> list[str]:
    """A table, its sub-tables and arrays of tables under headers of their own, after it."""
    plain = {key: value for key, value in table.items() if not has_header(value)}
    lines = flat_table(header, plain)
    for key, value in table.items():
        if key not in plain:
            lines += headed(f"{path}.{key_text(key)}", value)
    return lines


def has_header(value: object) -> bool:
    """Whether a value is a table, or an array of tables with anything in it."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def headed(path: str, value: object) -> list[str]:
    """A table or an array of tables under headers."""
    if isinstance(value, Mapping):
        return nested_table(f"[{path}]", path, value)
    assert isinstance(value, list)
    lines: list[str] = []
    for item in value:
        lines += nested_table(f"[[{path}]]", path, item)
    return lines
