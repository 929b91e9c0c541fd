"""A lock file of another tool as a checked tree: every value knows its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from imagelock.model.errors import Problem, SpecError
from imagelock.model.names import PipName, pip_name
from imagelock.spec.findings import Finding, key_path_text, place_findings, quoted
from imagelock.spec.positions import KeyPath


class WrongLockError(ValueError):
    """Something in a lock is not as its format says, or cannot be taken over."""

    def __init__(self, path: KeyPath, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(path=path, message=message, hint=hint)


@dataclass(frozen=True, slots=True)
class Node:
    """A table of a document and the path to it. The methods raise WrongLockError."""

    value: Mapping[str, Any]
    path: KeyPath = ()

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def wrong(self, message: str, *, key: str | int = "", hint: str = "") -> WrongLockError:
        """The error for this table, or for one of its keys."""
        return WrongLockError((*self.path, key) if key != "" else self.path, message, hint)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; ``default`` where the key is missing, which is else an error."""
        value = self.value.get(key, default)
        if value is None:
            raise self.wrong(f"expected '{key}', which is missing")
        if not isinstance(value, str):
            raise self.wrong("expected a string", key=key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings; empty where the key is missing."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong("expected an array of strings", key=key)
        return tuple(value)

    def name(self, key: str = "name") -> PipName:
        """A project's name, normalised."""
        return self.as_name(self.text(key), key)

    def as_name(self, text: str, key: str) -> PipName:
        """A text as a project's name; ``key`` is where it stands."""
        try:
            return pip_name(text)
        except ValueError as error:
            raise self.wrong(str(error), key=key) from None

    def table(self, key: str) -> Node:
        """A table; an empty one where the key is missing."""
        value = self.value.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong("expected a table", key=key)
        return Node(value, (*self.path, key))

    def tables(self, key: str) -> tuple[Node, ...]:
        """An array of tables; empty where the key is missing."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong("expected an array of tables", key=key)
        return tuple(
            Node(item, (*self.path, key, number)) for number, item in enumerate(value)
        )  # fmt: skip


@dataclass(slots=True)
class Sheet:
    """One file as parsed. ``source`` is its path in messages.

    ``text`` is empty where places are not known by line (JSON).
    """

    source: str
    text: str
    root: Node
    findings: list[Finding] = field(default_factory=list)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep what is wrong inside, and go on after it."""
        try:
            yield
        except WrongLockError as error:
            self.findings.append(error.finding)

    def problems(self) -> tuple[Problem, ...]:
        """What was kept, each with its place, in file order."""
        if not self.findings:
            return ()
        if self.text:
            return place_findings(self.findings, self.text, self.source)
        return tuple(
            Problem(
                source=self.source, line=0, column=0, path=key_path_text(item.path),
                message=item.message, hint=item.hint,
            )
            for item in self.findings
        )  # fmt: skip

    def check(self) -> None:
        """Raise SpecError when anything was wrong."""
        if problems := self.problems():
            raise SpecError(problems)


OpenSheet = Callable[[str], Sheet]
"""Reads a TOML file beside the lock, by its name; RuleBroken when there is none."""


def unknown_version(node: Node, key: str, found: object, known: str) -> WrongLockError:
    """The error for a lock of a version that nobody here has read the format of."""
    return node.wrong(f"expected version {known} of this lock, got {quoted(str(found))}", key=key)
