"""What is wrong, by key path; and its translation to lines and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from imagelock.model.errors import Problem
from imagelock.spec.positions import KeyPath, LineIndex, Place, scan_positions

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_QUOTE: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong at a key path, at its key or its value.

    ``inner`` holds instead the problems of a file that the value names.
    """

    path: KeyPath
    message: str = ""
    hint: str = ""
    at: Literal["key", "value"] = "value"
    inner: tuple[Problem, ...] = ()


def key_path_text(path: KeyPath) -> str:
    """Write a path as a reader would: ``pip.packages[2]``, ``env."A B"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = part if _BARE.fullmatch(part) else quoted(part, mark='"')
        text += f".{name}" if text else name
    return text


def quoted(value: str, *, mark: str = "'") -> str:
    """Quote a value for a message: on one line, of limited length, without credentials.

    User information of a URL is left out, since messages end in logs.
    """
    bare = re.sub(r"//\S*@", "//…@", value)
    short = bare if len(bare) <= _LONGEST_QUOTE else bare[: _LONGEST_QUOTE - 1] + "…"
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)
    return f"{mark}{clean}{mark}"


def place_findings(findings: list[Finding], text: str, source: str) -> tuple[Problem, ...]:
    """The problems in file order, each with its line and column."""
    places = scan_positions(text).places
    lines = LineIndex(text)
    placed: list[tuple[int, tuple[Problem, ...]]] = []
    for finding in findings:
        place = _nearest(places, finding.path)
        offset = place.key if finding.at == "key" else place.value
        line, column = lines.position(offset)
        problem = Problem(
            source=source,
            line=line,
            column=column,
            path=key_path_text(finding.path),
            message=finding.message,
            hint=finding.hint,
        )
        placed.append((offset, finding.inner or (problem,)))
    placed.sort(key=lambda pair: pair[0])
    return tuple(dict.fromkeys(problem for _, problems in placed for problem in problems))


def _nearest(places: dict[KeyPath, Place], path: KeyPath) -> Place:
    """The place of a path, or of the table that lacks it, or the start of the file."""
    for length in range(len(path), 0, -1):
        if place := places.get(path[:length]):
            return place
    return Place(0, 0)
