"""A difference for a pull request's comment."""

from __future__ import annotations

import re
from html import escape

from imagelock.lock.diff.model import LockDiff, PackageChange
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

_SPECIAL = re.compile(r"([\\`*_\[\]!|~]|^[-+])")
_MENTION = re.compile(r"([@#])")


def render_markdown(diff: LockDiff) -> str:
    """GitHub-flavoured Markdown: a table for each kind of package."""
    if not diff:
        return "No difference.\n"
    lines = [f"**{_escaped(counted(diff))}**; {_escaped(download_line(diff.download))}", ""]
    if diff.roots:
        lines += _bullets("Spec", [str(change) for change in diff.roots])
    if diff.values:
        lines += _bullets("Pinned", [short_digests(value_line(change)) for change in diff.values])
    for title, changes in by_kind(diff):
        lines += [f"### {title}", "", "| | package | version | platforms | why |"]
        lines.append("|---|---|---|---|---|")
        lines += [_row(change, diff) for change in changes]
        lines.append("")
    if diff.requirements:
        lines += _bullets("The same packages, otherwise required", list(diff.requirements))
    return "\n".join(lines).rstrip("\n") + "\n"


def _bullets(title: str, items: list[str]) -> list[str]:
    return [f"### {title}", "", *(f"- {_escaped(item)}" for item in items), ""]


def _row(change: PackageChange, diff: LockDiff) -> str:
    base = " (base)" if change.base else ""
    cells = (
        change.direction.value,
        _escaped(change.label) + base,
        _escaped(moved(change)),
        _escaped(where(change.platforms, diff) or "all"),
        "<br>".join(map(_escaped, change.reasons)),
    )
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, and that notifies nobody by ``@name``."""
    shown = _SPECIAL.sub(r"\\\1", escape(printable(text), quote=False))
    return _MENTION.sub(r"\1<!-- -->", shown)
