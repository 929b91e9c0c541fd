"""Where each key and value of a TOML document begins.

The standard library's parser keeps no positions, so a document that has problems is walked a
second time, here. The walk expects valid TOML (1.0) and stops without complaint where it meets
anything else: a problem without a position is still a problem.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

KeyPath = tuple[str | int, ...]
"""The way to a value: keys, and indexes of arrays, both counted from 0."""

_DEEPEST: Final = 12
"""Longer paths name nothing of a spec; leaving them out keeps the walk linear."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|'
    r"'''.*?'{3,5}(?!')|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]*[^,\]}#\s]")
_INSIDE: Final = re.compile(r"#[^\n]*|[\[\]{}]|[^\[\]{}\"'#]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Offsets into the text: of the key that names a value, and of the value itself."""

    key: int
    value: int


@dataclass(slots=True)
class Positions:
    """What the walk found. ``keys`` holds every key in file order, doubles too.

    ``ends`` are the offsets at which values end.
    """

    places: dict[KeyPath, Place] = field(default_factory=dict)
    keys: list[tuple[int, KeyPath]] = field(default_factory=list)
    ends: dict[KeyPath, int] = field(default_factory=dict)


class LineIndex:
    """Lines and columns of offsets, both counted from 1; a column is one Unicode code point."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def scan_positions(text: str) -> Positions:
    """Walk a document and note the place of every key, value and array item."""
    walk = _Walk(text)
    with suppress(_StrayError):  # not TOML from there on; what came before has been noted
        walk.document()
    return walk.found


class _StrayError(Exception):
    """The text is not what TOML allows here."""


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = 0
        self.found = Positions()
        self._tables: dict[KeyPath, int] = {}  # how often each [[array of tables]] was opened

    def document(self) -> None:
        prefix: KeyPath = ()
        while True:
            self._skip(_BLANK)
            if self.offset >= len(self.text):
                return
            if self.text[self.offset] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _header(self) -> KeyPath:
        start = self.offset
        is_array = self.text.startswith("[[", start)
        self.offset += 2 if is_array else 1
        path: KeyPath = ()
        parts = self._dotted_key()
        for number, (name, offset) in enumerate(parts, start=1):
            path = (*path, name)
            self._note(path, offset, start)
            if is_array and number == len(parts):
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._note(path, offset, start)
        self._expect("]]" if is_array else "]")
        return path

    def _pair(self, prefix: KeyPath) -> None:
        parts = self._dotted_key()
        self._expect("=")
        self._skip(_SPACE)
        path = prefix
        for name, offset in parts:
            path = (*path, name)[: _DEEPEST + 1]
            is_last = offset == parts[-1][1]
            self._note(path, offset, self.offset if is_last else offset)
        self._value(path)

    def _dotted_key(self) -> list[tuple[str, int]]:
        parts = []
        while True:
            self._skip(_SPACE)
            start = self.offset
            parts.append((self._key(), start))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.offset):
                return parts
            self.offset += 1

    def _key(self) -> str:
        start = self.offset
        bare = _BARE_KEY.match(self.text, start)
        if bare:
            self.offset = bare.end()
            return bare.group()
        self._expect_match(_STRING)
        try:
            return str(tomllib.loads(f"k = {self.text[start : self.offset]}")["k"])
        except ValueError:
            raise _StrayError from None

    def _value(self, path: KeyPath) -> None:
        opening = self.text[self.offset : self.offset + 1]
        if opening in ("[", "{") and len(path) > _DEEPEST:
            self._skip_nested()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in ('"', "'"):
            self._expect_match(_STRING)
        else:
            self._expect_match(_SCALAR)
        self.found.ends.setdefault(path, self.offset)

    def _array(self, path: KeyPath) -> None:
        self.offset += 1
        index = 0
        while not self._closes("]"):
            self._note((*path, index), self.offset, self.offset)
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.offset += 1
        while not self._closes("}"):
            self._pair(path)

    def _skip_nested(self) -> None:
        depth = 0
        while True:
            opening = self.text[self.offset : self.offset + 1]
            if opening in ('"', "'"):
                self._expect_match(_STRING)
            else:
                depth += (opening in ("[", "{")) - (opening in ("]", "}"))
                self._expect_match(_INSIDE)
            if not depth:
                return

    def _closes(self, bracket: str) -> bool:
        """Skip to the next item of a container, or past its end."""
        self._skip(_BLANK)
        if self.text.startswith(",", self.offset):
            self.offset += 1
            self._skip(_BLANK)
        if self.text.startswith(bracket, self.offset):
            self.offset += 1
            return True
        return False

    def _note(self, path: KeyPath, key: int, value: int) -> None:
        if len(path) <= _DEEPEST:
            self.found.places.setdefault(path, Place(key, value))
            if isinstance(path[-1], str):
                self.found.keys.append((key, path))

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.offset)
        assert match is not None, "patterns of what is skipped match nothing too"
        self.offset = match.end()

    def _expect(self, token: str) -> None:
        if not self.text.startswith(token, self.offset):
            raise _StrayError
        self.offset += len(token)

    def _expect_match(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.offset)
        if match is None:
            raise _StrayError
        self.offset = match.end()
