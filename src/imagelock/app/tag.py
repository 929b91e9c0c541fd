"""The tag of a lock's image: over the lock, and over the files it copies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagelock.lock import EntryKind, SourceEntry, format_tag, lock_digest, source_digest
from imagelock.model.lock import Lock


def image_tag(lock: Lock, lock_folder: Path) -> str:
    """The tag, as the lock's tag-format says; copied files are read and hashed."""
    return format_tag(
        lock.roots.tag_format,
        lock_digest=lock_digest(lock),
        source_digest=_copied_digest(lock, lock_folder / lock.context),
        name=lock.roots.name,
    )


def image_reference(lock: Lock, tag: str) -> str:
    """The image's full name: ``registry/name:tag``, without a registry ``name:tag``."""
    prefix = f"{lock.roots.registry}/" if lock.roots.registry else ""
    return f"{prefix}{lock.roots.name}:{tag}"


def _copied_digest(lock: Lock, folder: Path) -> str | None:
    if not lock.roots.copies:
        return None
    from imagelock.build.oci.copies import copied_entries

    entries = []
    for entry in copied_entries(folder, lock.roots.copies):
        kind = EntryKind[entry.kind.name]
        content = entry.link
        if kind is EntryKind.FILE:
            state = hashlib.sha256()
            for chunk in entry.content:
                state.update(chunk)
            content = state.hexdigest()
        entries.append(SourceEntry(entry.path, entry.mode, kind, content))
    return source_digest(entries)
