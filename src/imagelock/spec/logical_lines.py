"""Requirements files line by line: continuations joined, comments gone, places kept."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_COMMENT: Final = re.compile(r"(?:^|(?<![ \t])[ \t]+)#.*")


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line with those that continue it. ``doubtful``: a comment in it ends in a backslash."""

    text: str
    starts: tuple[tuple[int, int], ...]
    """Offset into ``text`` and line number of each physical line."""
    doubtful: bool = False

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, counted from 1, of an offset into ``text``."""
        index = bisect_right(self.starts, offset, key=lambda start: start[0]) - 1
        start, line = self.starts[max(index, 0)]
        return line, offset - start + 1


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """The lines that hold anything. A comment line ends a continuation, as in pip."""
    joined = ""
    starts: list[tuple[int, int]] = []
    for number, raw in enumerate(_LINE_END.split(text), start=1):
        starts.append((len(joined), number))
        comment = _COMMENT.search(raw)
        continues = raw.endswith("\\")
        if continues and not comment:
            joined += raw[:-1]
            continue
        joined += raw[: comment.start()] if comment else raw
        doubtful = bool(continues and comment and raw[: comment.start()].strip())
        if joined.strip() or doubtful:
            yield LogicalLine(joined.rstrip(), tuple(starts), doubtful)
        joined, starts = "", []
    if joined.strip():
        yield LogicalLine(joined.rstrip(), tuple(starts))
