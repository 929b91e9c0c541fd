"""Assemble, encode, decode, diff, staleness and tag of a lock."""

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.normal import normalise
from imagelock.lock.staleness import Section, StaleReason, stale_sections, staleness
from imagelock.lock.tag import (
    EntryKind,
    SourceEntry,
    canonical_bytes,
    format_tag,
    lock_digest,
    source_digest,
    tag_digest,
)

__all__ = [
    "EntryKind",
    "Section",
    "SourceEntry",
    "StaleReason",
    "canonical_bytes",
    "decode_lock",
    "encode_lock",
    "format_tag",
    "lock_digest",
    "normalise",
    "source_digest",
    "stale_sections",
    "staleness",
    "tag_digest",
]
