"""What an engine says while it builds, line by line, and the step of the plan it is at."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from imagelock.build.oci.secrets import Secrets
from imagelock.model.errors import BuildError
from imagelock.render.model import Instruction, Rendered

_TAIL: Final = 40
_VERTEX: Final = re.compile(r"#(\d+) (.*)")
_STAGE: Final = re.compile(r"\[[^\]]*\d+/\d+\] (.*)")


class StepLog:
    """Follows a build; :meth:`failed` is its error, placed at the step that it came from."""

    def __init__(
        self, rendered: Rendered, secrets: Secrets, said: Callable[[str], None], engine: str
    ) -> None:
        self._instructions = rendered.instructions
        self._secrets = secrets
        self._said = said
        self._engine = engine
        self._next = 0
        self._title = ""
        self._lines: deque[str] = deque(maxlen=_TAIL)
        self._vertices: dict[str, str] = {}
        self._tails: dict[str, deque[str]] = {}
        self._broken = ""

    def line(self, text: str) -> None:
        """A line of a builder that does one instruction after the other."""
        shown = self._secrets.redacted(text.rstrip())
        found = self._match(text, self._instructions[self._next :])
        if found is not None:
            self._next += found + 1
            self._enter(self._instructions[self._next - 1].title)
        elif shown:
            self._lines.append(shown)

    def vertex_line(self, text: str) -> None:
        """A line of BuildKit's plain progress: ``#NUMBER TEXT``, several numbers at a time."""
        match = _VERTEX.fullmatch(text.rstrip())
        if match is None:
            if text.strip():
                self._lines.append(self._secrets.redacted(text.rstrip()))
            return
        number, rest = match.groups()
        stage = _STAGE.match(rest)
        if stage is not None:
            found = self._match(stage[1], self._instructions)
            if found is not None and number not in self._vertices:
                self._vertices[number] = self._instructions[found].title
                self._enter(self._instructions[found].title)
            return
        if rest.startswith("ERROR: "):
            self._broken = number
        self._tails.setdefault(number, deque(maxlen=_TAIL)).append(self._secrets.redacted(rest))

    def failed(self, reason: str = "") -> BuildError:
        """The error of a build that stopped, with the end of what was said."""
        title, lines = self._title, list(self._lines)
        if self._broken:
            title = self._vertices.get(self._broken, "")
            lines = list(self._tails[self._broken])
        shown = "\n".join([*lines, *([self._secrets.redacted(reason)] if reason else ())]).strip()
        return BuildError(
            f"{self._engine} could not build this step:\n{shown}",
            where=title or self._engine,
            hint="`imagelock render` writes what the engine was given",
        )

    def _enter(self, title: str) -> None:
        if title and title != self._title:
            self._title = title
            self._lines.clear()
            self._said(f"  {title}")

    @staticmethod
    def _match(text: str, instructions: tuple[Instruction, ...]) -> int | None:
        line = _flat(text)
        for number, instruction in enumerate(instructions):
            if line.endswith(_flat(instruction.text)):
                return number
        return None


def _flat(text: str) -> str:
    return " ".join(text.replace("\\\n", " ").replace('"', "").replace(",", "").split())
