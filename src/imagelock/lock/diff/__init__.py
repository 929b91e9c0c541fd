"""What differs between two locks, and why; as values, and as text for people and machines."""

from __future__ import annotations

from imagelock.lock.diff.as_html import render_html
from imagelock.lock.diff.as_json import render_json
from imagelock.lock.diff.as_markdown import render_markdown
from imagelock.lock.diff.as_text import render_text
from imagelock.lock.diff.compare import diff_locks
from imagelock.lock.diff.model import Direction, LockDiff, PackageChange, ValueChange

__all__ = [
    "Direction",
    "LockDiff",
    "PackageChange",
    "ValueChange",
    "diff_locks",
    "render_html",
    "render_json",
    "render_markdown",
    "render_text",
]
