"""A difference as a page of its own: no script, no style from elsewhere."""

from __future__ import annotations

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

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}"
    ".added{color:#17692e}.removed{color:#a11}.downgraded{color:#8a5a00}"
)


def render_html(diff: LockDiff) -> str:
    """A whole HTML document; everything from the locks is escaped."""
    body = [f"<p>{_text(counted(diff))}; {_text(download_line(diff.download))}</p>"]
    if not diff:
        body = ["<p>no difference</p>"]
    if diff.roots:
        body += _list("Spec", [str(change) for change in diff.roots])
    if diff.values:
        body += _list("Pinned", [short_digests(value_line(change)) for change in diff.values])
    for title, changes in by_kind(diff):
        body += [f"<h2>{_text(title)}</h2>", "<table>"]
        body.append(
            "<tr><th></th><th>package</th><th>version</th><th>platforms</th><th>why</th></tr>"
        )
        body += [_row(change, diff) for change in changes]
        body.append("</table>")
    if diff.requirements:
        body += _list("The same packages, otherwise required", list(diff.requirements))
    head = f'<meta charset="utf-8"><title>imagelock diff</title><style>{_STYLE}</style>'
    page = ["<!doctype html>", f'<html lang="en"><head>{head}</head><body>', *body]
    return "\n".join([*page, "</body></html>", ""])


def _list(title: str, items: list[str]) -> list[str]:
    return [
        f"<h2>{_text(title)}</h2>",
        "<ul>",
        *(f"<li>{_text(item)}</li>" for item in items),
        "</ul>",
    ]


def _row(change: PackageChange, diff: LockDiff) -> str:
    base = " (base)" if change.base else ""
    cells = (
        _text(change.direction.value),
        _text(change.label) + base,
        _text(moved(change)),
        _text(where(change.platforms, diff) or "all"),
        "<br>".join(map(_text, change.reasons)),
    )
    joined = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr class="{change.direction.value}">{joined}</tr>'


def _text(text: str) -> str:
    return escape(printable(text))
