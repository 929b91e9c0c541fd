"""Bytes to a TOML document, or the one problem that keeps them from being one."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from imagelock.model.errors import Problem, SpecError
from imagelock.spec.findings import key_path_text
from imagelock.spec.positions import LineIndex, scan_positions

LARGEST_FILE: Final = 1 << 20
"""In bytes. A spec is some hundred lines; what is larger is not one."""

LARGEST_LOCK: Final = 1 << 24
"""In bytes. Locks of other tools list every file of every package: some reach megabytes."""

_MANY_PARTS: Final = re.compile(r"(?<![^\s.=\[\]])(?:[^\s.=\[\]]++[ \t]*+\.[ \t]*+){64}")
"""A key this long takes the standard parser quadratic time, and names nothing."""

_LONG_INTEGER: Final = re.compile(r"[0-9_]{4300,}")
"""Python refuses to read these, and so does TOML, whose integers have 64 bits."""

_COORDINATES: Final = re.compile(
    r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)\Z"
)
_DOUBLE: Final = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline")


def decode_text(data: bytes, *, source: str, largest: int = LARGEST_FILE) -> str:
    """Decode UTF-8 with or without a byte order mark. Raise SpecError with the place."""
    if len(data) > largest:
        message = f"expected at most {largest} bytes, got {len(data)}"
        raise _error(source, 0, 0, message)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig", errors="replace")
        line, column = LineIndex(before).position(len(before))
        message = f"expected UTF-8, got byte 0x{error.object[error.start]:02x}"
        raise _error(source, line, column, message, "save the file as UTF-8") from None


def parse_document(text: str, *, source: str) -> dict[str, Any]:
    """Parse TOML (1.0). Raise SpecError with the place of the first thing that is not."""
    if long := _MANY_PARTS.search(text):
        line, column = LineIndex(text).position(long.start())
        raise _error(source, line, column, "expected a key of fewer than 64 parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _error(source, 0, 0, "the values are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text, source, str(error)) from None
    except ValueError:
        long_integer = _LONG_INTEGER.search(text)
        line, column = LineIndex(text).position(long_integer.start()) if long_integer else (0, 0)
        raise _error(source, line, column, "expected an integer of fewer digits") from None


def _syntax_error(text: str, source: str, explained: str) -> SpecError:
    coordinates = _COORDINATES.search(explained)
    assert coordinates is not None, "tomllib always says where"
    reason = explained[: coordinates.start()]
    if coordinates["line"]:
        line, column = int(coordinates["line"]), int(coordinates["column"])
    else:
        line, column = LineIndex(text).position(len(text))
    if reason.startswith(_DOUBLE) and (double := _doubled_key(text, source, (line, column))):
        return double
    hint = "" if coordinates["line"] else "a bracket or quote may be left open"
    return _error(source, line, column, f"not valid TOML: {reason[:1].lower()}{reason[1:]}", hint)


def _doubled_key(text: str, source: str, before: tuple[int, int]) -> SpecError | None:
    """The error for a key that is given twice, at the second of its keys."""
    lines = LineIndex(text)
    keys = [
        (offset, path) for offset, path in scan_positions(text).keys
        if lines.position(offset) < before
    ]  # fmt: skip
    if not keys:
        return None
    last, path = keys[-1]
    first = min(offset for offset, other in keys if other == path)
    if first == last:
        return None
    line, column = lines.position(last)
    hint = f"it is first given on line {lines.position(first)[0]}"
    problem = Problem(
        source=source, line=line, column=column, path=key_path_text(path),
        message="expected a key once, got it again", hint=hint,
    )  # fmt: skip
    return SpecError((problem,))


def _error(source: str, line: int, column: int, message: str, hint: str = "") -> SpecError:
    problem = Problem(source=source, line=line, column=column, path="", message=message, hint=hint)
    return SpecError((problem,))
