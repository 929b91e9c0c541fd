"""The name of an image: a hash over what its lock pins, and over the source it copies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from itertools import pairwise
from typing import Final

from imagelock.lock.checks import Wrong
from imagelock.lock.document import to_document
from imagelock.lock.kinds import MAX_INTEGER
from imagelock.lock.normal import normalise
from imagelock.lock.pins import SECTIONS
from imagelock.lock.roots import NOT_IN_TAG
from imagelock.model.errors import LockError, UsageError
from imagelock.model.lock import Lock
from imagelock.model.spec import DEFAULT_TAG_FORMAT
from imagelock.model.toml import inline_text

TAG_DIGITS: Final = 32
"""How many hexadecimal digits of a digest a tag holds."""

# "reproducible" says again what the runs say.
_LEFT_OUT: Final = frozenset({"context", "reproducible", SECTIONS[-1].key})
_FIELD: Final = re.compile(r"\{([^{}]*)\}|[{}]")
_OCI_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")


def canonical_bytes(lock: Lock) -> bytes:
    """The RFC 8785 JSON of everything a lock pins.

    That is the lock file's own data in normal form, without ``context``, the ``[[image]]``
    tables and the roots' ``name``, ``registry`` and ``tag-format``. Raise LockError for a lock
    that could not be written.
    """
    import rfc8785  # half of the cost of this module, and `lock` needs no tag

    try:
        document = to_document(normalise(lock))
    except Wrong as wrong:
        raise LockError(wrong.message, where=wrong.path, hint=wrong.hint) from None
    roots = document["roots"]
    assert isinstance(roots, Mapping)
    pinned = {key: value for key, value in document.items() if key not in _LEFT_OUT}
    pinned["roots"] = {key: value for key, value in roots.items() if key not in NOT_IN_TAG}
    return rfc8785.dumps(_json_value(pinned))  # type: ignore[arg-type]  # JSON by _json_value


def lock_digest(lock: Lock) -> str:
    """The sha256 of :func:`canonical_bytes`: 64 hexadecimal digits."""
    return hashlib.sha256(canonical_bytes(lock)).hexdigest()


def tag_digest(lock: Lock) -> str:
    """The part of :func:`lock_digest` that a tag holds: its first 32 digits."""
    return lock_digest(lock)[:TAG_DIGITS]


def _json_value(value: object) -> object:
    """TOML data as JSON data, no two values the same.

    What JSON has no exact form for is ``{"toml": "text"}``: floats, times and great integers,
    which only keys of later versions have, and the tables that look like this.
    """
    if isinstance(value, Mapping):
        if value.keys() == {"toml"}:
            return {"toml": inline_text(value)}
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, float | date | time):
        return {"toml": inline_text(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        return {"toml": inline_text(value)}
    return value


class EntryKind(StrEnum):
    """What a copied path is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True, order=True)
class SourceEntry:
    """One path that is copied.

    ``path`` is the POSIX path it is copied from, relative to the context, with the rule it
    belongs to if two rules may meet; ``mode`` the permission bits the image gets, never the
    checkout's umask; ``content`` the sha256 of a file, the target of a symlink, or empty.
    """

    path: str
    mode: int
    kind: EntryKind
    content: str = ""


def source_digest(entries: Iterable[SourceEntry]) -> str:
    """The digest of what is copied, 64 hexadecimal digits, for entries in any order.

    It is the sha256 of an RFC 8785 array with ``[path, mode, kind, content]`` for each entry,
    the mode in four octal digits, sorted by path. Raise LockError for a file name that is not
    UTF-8 and ValueError for one path twice with different content.
    """
    import rfc8785  # as above

    ordered = sorted(set(entries))
    for before, entry in pairwise(ordered):
        if before.path == entry.path:
            msg = f"one path with two contents: {entry.path}"
            raise ValueError(msg)
    rows = [[entry.path, f"{entry.mode:04o}", entry.kind.value, entry.content] for entry in ordered]
    try:
        data = rfc8785.dumps(rows)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        msg = "expected file names in UTF-8"
        unreadable = next(
            (entry for entry in ordered if not _is_utf8(entry.path + entry.content)), None
        )
        where = ascii(unreadable.path) if unreadable else ""
        raise LockError(msg, where=where, hint="rename the file, or ignore it") from None
    return hashlib.sha256(data).hexdigest()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_tag(tag_format: str, *, lock_digest: str, source_digest: str | None, name: str) -> str:
    """The tag of an image, from full digests; ``source_digest`` is None when nothing is copied.

    ``{lock}`` (and its alias ``{spec_hash}``) and ``{source}`` are 32 digits. Where something is
    copied and the format does not name ``{source}``, ``{lock}`` is ``LOCK-SOURCE``: a tag that
    names the lock names the source. Where nothing is copied, ``{source}`` is the digest of no
    entries. ``{name}`` is the image's name, ``/`` written as ``-``. Raise UsageError for
    another field, and for a result that is no tag (OCI distribution-spec).
    """
    fields = {match[1] for match in _FIELD.finditer(tag_format)}
    lock = lock_digest[:TAG_DIGITS]
    source = (source_digest or _digest_of_nothing())[:TAG_DIGITS]
    if source_digest is not None and "source" not in fields:
        lock = f"{lock}-{source}"
    values = {"lock": lock, "spec_hash": lock, "source": source, "name": name.replace("/", "-")}
    unknown = sorted(str(field) for field in fields if field not in values)
    if unknown:
        found = ", ".join(
            "a single brace" if field == "None" else f"{{{field}}}" for field in unknown
        )
        msg = f"expected {{lock}}, {{source}}, {{name}} or {{spec_hash}}, got {found}"
        raise UsageError(msg, where="tag-format", hint=f'the default is "{DEFAULT_TAG_FORMAT}"')
    tag = _FIELD.sub(lambda match: values[match[1]], tag_format)
    if not _OCI_TAG.match(tag):
        msg = f"expected a tag of up to 128 letters, digits, '_', '.' and '-', got '{tag}'"
        raise UsageError(msg, where="tag-format", hint=f'the default is "{DEFAULT_TAG_FORMAT}"')
    return tag


def _digest_of_nothing() -> str:
    return hashlib.sha256(b"[]").hexdigest()
