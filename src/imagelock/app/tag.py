"""The tag of a lock's image: over the lock, and over the files it copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.lock import EntryKind, SourceEntry, format_tag, lock_digest, source_digest
from imagelock.model.lock import Lock
from imagelock.model.plan import CopyStep, SourceStep
from imagelock.plan import plan_image

if TYPE_CHECKING:
    from imagelock.layers.entries import Entry


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
    """The digest over the files that are copied; None when the lock copies none."""
    if not lock.roots.copies and lock.roots.source is None:
        return None
    from imagelock.build.oci.copies import copied_entries, source_entries

    # Which files are copied does not depend on the platform.
    steps = plan_image(lock, lock.platforms[0]).steps
    found: list[SourceEntry] = []
    for step in steps:
        if isinstance(step, CopyStep):
            found += _entries("", copied_entries(folder, step.rules))
        elif isinstance(step, SourceStep):
            # A path of the image never starts with a slash: no copied file is called the same.
            found += _entries("//source/", source_entries(folder, step.rule, step.target))
    return source_digest(found)


def _entries(prefix: str, entries: Iterable[Entry]) -> Iterator[SourceEntry]:
    for entry in entries:
        kind = EntryKind[entry.kind.name]
        content = entry.link
        if kind is EntryKind.FILE:
            state = hashlib.sha256()
            for chunk in entry.content:
                state.update(chunk)
            content = state.hexdigest()
        yield SourceEntry(prefix + entry.path, entry.mode, kind, content)
