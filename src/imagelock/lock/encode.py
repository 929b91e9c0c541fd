"""Lock → the bytes of a lock file."""

from __future__ import annotations

from typing import Final

from imagelock.lock.checks import Wrong
from imagelock.lock.consistency import check_consistent
from imagelock.lock.document import TOP_KEYS, to_document
from imagelock.lock.normal import normalise
from imagelock.lock.pins import SECTIONS
from imagelock.lock.roots import HEADED
from imagelock.model.errors import LockError
from imagelock.model.lock import Lock
from imagelock.model.toml import field_lines, flat_table, has_header, headed, key_text, nested_table

FIRST_LINE: Final = "# Written by imagelock. Edit the spec, then run `imagelock lock`."


def encode_lock(lock: Lock) -> bytes:
    """The canonical TOML of a lock: UTF-8, LF, the same bytes for locks that mean the same.

    Raise LockError for a lock that :func:`imagelock.lock.decode.decode_lock` would refuse,
    such as one with a URL that holds credentials.
    """
    try:
        normal = normalise(lock)
        check_consistent(normal)
        document = to_document(normal)
        return "\n".join(_lines(document)).encode()
    except (Wrong, UnicodeEncodeError) as error:
        path = error.path if isinstance(error, Wrong) else ""
        hint = error.hint if isinstance(error, Wrong) else ""
        raise LockError(f"this lock cannot be written: {error}", where=path, hint=hint) from None


def _lines(document: dict[str, object]) -> list[str]:
    """Every section has its comment even when it is empty, but for those that are rare.

    The comments keep the sections apart, so that changes at the end of one and at the start of
    the next do not touch, and merge.
    """
    lines = [FIRST_LINE]
    later = {key: value for key, value in document.items() if key not in TOP_KEYS}
    for key in ("version", "recipe", "context", "reproducible"):
        if key in document:
            lines += field_lines(key, document[key])
    for key, value in later.items():
        if not has_header(value):
            lines += field_lines(key, value)
    lines.append("")
    roots = document["roots"]
    assert isinstance(roots, dict)
    lines += nested_table("[roots]", "roots", _with_headers(roots))
    for section in SECTIONS[:-1]:
        if section.key in document or not section.rare:
            lines += _section(section.key, section.comment, document)
    for key, value in later.items():
        if has_header(value):
            lines += headed(key_text(key), value)
    lines += _section(SECTIONS[-1].key, SECTIONS[-1].comment, document)
    lines.append("")
    return lines[:-1]


def _section(key: str, comment: str, document: dict[str, object]) -> list[str]:
    tables = document.get(key, [])
    assert isinstance(tables, list)
    lines = [f"# {comment}", ""]
    for table in tables:
        lines += flat_table(f"[[{key}]]", table)
    return lines


def _with_headers(roots: dict[str, object]) -> dict[str, object]:
    """The roots with an empty table where a well-used one is left out, in its place."""
    plain = {key: value for key, value in roots.items() if not has_header(value)}
    tables = {key: roots.get(key, {}) for key in HEADED}
    rest = {key: value for key, value in roots.items() if key not in plain and key not in tables}
    return plain | tables | rest
