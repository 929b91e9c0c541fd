"""What a reader of another tool's file is given, and what it gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Document = dict[str, Any]
"""TOML data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """The call: ``path`` is the file, ``folder`` the one that the spec will be in.

    ``seconds`` is how long a module of Python may run, ``python`` the interpreter it is run by.
    """

    path: Path
    folder: Path
    python: str
    seconds: float = 60

    def relative(self, path: Path) -> str:
        """A path as the spec names it: relative to the spec's folder, with '/'."""
        found = os.path.relpath(path.resolve(), self.folder.resolve())
        return found.replace(os.sep, "/")

    def beside(self, path: str) -> str:
        """A path that the file names relative to itself, as the spec names it."""
        return self.relative(self.path.parent / path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One spec. ``document`` is TOML data; a base is added where there is none.

    ``label`` tells it from others of the same file, such as a variable's name; ``remarks`` are
    kept in the text as ``#:`` lines; ``left_behind`` says, a sentence each, what no spec can say.
    """

    label: str
    document: Document
    remarks: tuple[tuple[str, Any], ...] = ()
    left_behind: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads one format."""

    def takes(self, path: Path, text: str) -> bool:
        """Whether the file is of this format, by its name and its text. Never raises."""
        ...

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """The specs of the file, at least one. UsageError says what is wrong in it, and where."""
        ...
