"""An array of strings inside a TOML text, edited in place: nothing else of the text moves.

tomlkit was tried first: its arrays lose a comma where a comment follows the last item.
"""

from __future__ import annotations

import json
import re
from typing import Final

from imagelock.spec.document import parse_document
from imagelock.spec.positions import KeyPath, scan_positions

_COMMA: Final = re.compile(r"(?:\s|#[^\n]*)*,")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:#[^\n]*?)?(?=\r?\n)")
_BLANKS: Final = re.compile(r"[ \t]*")


def newline_of(text: str) -> str:
    """The line ending that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"


def end_of_line(text: str, offset: int) -> int:
    """Where the line of an offset ends, before its line ending."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - text[:end].endswith("\r")


class TextArray:
    """The array of strings at a path, which must be there. Every edit returns a whole text."""

    def __init__(self, text: str, path: KeyPath) -> None:
        positions = scan_positions(text)
        table: object = parse_document(text, source="<spec>")
        for key in path:
            assert isinstance(table, dict), "the path leads to an array"
            table = table[key]
        assert isinstance(table, list), "the path leads to an array"
        self.path = path
        self.values: list[str] = table
        self._text = text
        self._start = positions.places[path].value
        items = [(*path, index) for index in range(len(table))]
        self._spans = [(positions.places[item].value, positions.ends[item]) for item in items]

    def with_replaced(self, index: int, value: str) -> str:
        """The text with another value in the place of one."""
        start, end = self._spans[index]
        return self._text[:start] + _toml_string(value) + self._text[end:]

    def with_appended(self, value: str) -> str:
        """The text with a value after the last one, on a line of its own where that has one."""
        text, item = self._text, _toml_string(value)
        if not self._spans:
            after = self._start + 1
            bracket = _after(_BLANKS, text, after)
            if text[bracket] == "]":
                return f"{text[:after]}{item}{text[bracket:]}"
            return f"{text[:after]}{newline_of(text)}  {item},{text[after:]}"
        start, end = self._spans[-1]
        indent = self._indent(start)
        comma = re.compile(r"[ \t]*,").match(text, end)
        if indent is None or (not comma and _COMMA.match(text, end)):
            return f"{text[:end]}, {item}{text[end:]}"
        behind = comma.end() if comma else end
        rest = _REST_OF_LINE.match(text, behind)
        line_end = rest.end() if rest else behind
        return (
            f"{text[:end]}{text[end:behind] or ','}{text[behind:line_end]}"
            f"{newline_of(text)}{indent}{item}{',' if comma else ''}{text[line_end:]}"
        )

    def without(self, index: int) -> str:
        """The text without a value; its line goes too, with the comment on it."""
        text = self._text
        start, end = self._spans[index]
        comma = _COMMA.match(text, end)
        behind = comma.end() if comma else end
        indent = self._indent(start)
        rest = _REST_OF_LINE.match(text, behind)
        if indent is not None and rest and "\n" not in text[end:behind]:
            line_start = start - len(indent)
            return text[:line_start] + text[text.index("\n", behind) + 1 :]
        if comma:
            between = text[end : behind - 1]
            after = behind if between.strip() else _after(_BLANKS, text, behind)
            return text[:start] + between + text[after:]
        return text[: self._before(index)] + text[end:]

    def _before(self, index: int) -> int:
        """Where the comma before the last item begins, if nothing but blanks is between."""
        start = self._spans[index][0]
        if not index:
            return start
        previous = self._spans[index - 1][1]
        is_plain = re.fullmatch(r"[ \t]*,[ \t]*", self._text[previous:start])
        return previous if is_plain else start

    def _indent(self, start: int) -> str | None:
        """The blanks before an item that begins its line; None for one that does not."""
        line = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        return line if not line.strip() else None


def _after(pattern: re.Pattern[str], text: str, offset: int) -> int:
    match = pattern.match(text, offset)
    return match.end() if match else offset


def _toml_string(value: str) -> str:
    """A basic string, or a literal one where that spares escapes."""
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
