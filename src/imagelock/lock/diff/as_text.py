"""A difference for a terminal."""

from __future__ import annotations

from typing import Final

from imagelock.lock.diff.model import Direction, LockDiff, PackageChange
from imagelock.lock.diff.wording import (
    by_kind,
    counted,
    download_line,
    moved,
    short_digests,
    value_line,
    where,
)
from imagelock.lock.words import printable

_SIGNS: Final = {
    Direction.ADDED: "+",
    Direction.REMOVED: "-",
    Direction.UPGRADED: "↑",
    Direction.DOWNGRADED: "↓",
    Direction.REPLACED: "~",
}
_COLORS: Final = {
    Direction.ADDED: "32",
    Direction.REMOVED: "31",
    Direction.UPGRADED: "36",
    Direction.DOWNGRADED: "33",
    Direction.REPLACED: "35",
}


def render_text(diff: LockDiff, *, color: bool = False) -> str:
    """Lines for a person, each ended; ``color`` adds ANSI colours. No difference is one line."""
    if not diff:
        return "no difference\n"
    lines: list[str] = []
    if diff.roots:
        lines += _block("spec", [str(change) for change in diff.roots], color=color)
    if diff.values:
        values = [
            short_digests(value_line(change)) + _suffix(where(change.platforms, diff))
            for change in diff.values
        ]
        lines += _block("pinned", values, color=color)
    for title, changes in by_kind(diff):
        lines.append(_paint(title, "1", color=color))
        for change in changes:
            lines += _package_lines(change, diff, color=color)
    if diff.requirements:
        title = "the same packages, otherwise required"
        lines += _block(title, list(diff.requirements), color=color)
    lines.append(f"{counted(diff)}; {download_line(diff.download)}")
    return "".join(f"{line}\n" for line in lines)


def _block(title: str, items: list[str], *, color: bool) -> list[str]:
    return [_paint(title, "1", color=color), *(f"  {printable(item)}" for item in items)]


def _package_lines(change: PackageChange, diff: LockDiff, *, color: bool) -> list[str]:
    sign = _SIGNS[change.direction]
    text = f"{sign} {printable(change.label)} {printable(moved(change))}"
    base = " (base)" if change.base else ""
    first = f"  {_paint(text, _COLORS[change.direction], color=color)}{base}"
    return [
        first + _suffix(where(change.platforms, diff)),
        *(f"      {printable(reason)}" for reason in change.reasons),
    ]


def _suffix(platforms: str) -> str:
    return f"  [{platforms}]" if platforms else ""


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
