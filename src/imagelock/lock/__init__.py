"""Assemble, encode, decode, diff, staleness and tag of a lock.

The names below are imported when they are first used: `imagelock tag` needs no diff. No module
here has the name of one of them: importing it would hide the name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imagelock.lock.decode import decode_lock as decode_lock
    from imagelock.lock.diff import LockDiff as LockDiff
    from imagelock.lock.diff import diff_locks as diff_locks
    from imagelock.lock.diff import render_html as render_html
    from imagelock.lock.diff import render_json as render_json
    from imagelock.lock.diff import render_markdown as render_markdown
    from imagelock.lock.diff import render_text as render_text
    from imagelock.lock.encode import encode_lock as encode_lock
    from imagelock.lock.graph import tree as tree
    from imagelock.lock.graph import why as why
    from imagelock.lock.normal import normalise as normalise
    from imagelock.lock.normal import pin_sort_key as pin_sort_key
    from imagelock.lock.show import show_json as show_json
    from imagelock.lock.show import show_text as show_text
    from imagelock.lock.stale import Section as Section
    from imagelock.lock.stale import StaleReason as StaleReason
    from imagelock.lock.stale import directly_stale as directly_stale
    from imagelock.lock.stale import stale_sections as stale_sections
    from imagelock.lock.stale import staleness as staleness
    from imagelock.lock.tag import EntryKind as EntryKind
    from imagelock.lock.tag import SourceEntry as SourceEntry
    from imagelock.lock.tag import canonical_bytes as canonical_bytes
    from imagelock.lock.tag import format_tag as format_tag
    from imagelock.lock.tag import lock_digest as lock_digest
    from imagelock.lock.tag import source_digest as source_digest
    from imagelock.lock.tag import tag_digest as tag_digest

_MODULES: Final = {
    "decode": ("decode_lock",),
    "diff": (
        "LockDiff",
        "diff_locks",
        "render_html",
        "render_json",
        "render_markdown",
        "render_text",
    ),
    "encode": ("encode_lock",),
    "graph": ("tree", "why"),
    "normal": ("normalise", "pin_sort_key"),
    "show": ("show_json", "show_text"),
    "stale": ("Section", "StaleReason", "directly_stale", "stale_sections", "staleness"),
    "tag": (
        "EntryKind",
        "SourceEntry",
        "canonical_bytes",
        "format_tag",
        "lock_digest",
        "source_digest",
        "tag_digest",
    ),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
