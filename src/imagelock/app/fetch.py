"""Artifacts of a lock into the store: for a build, or ahead of one without a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from imagelock.app.context import Context
from imagelock.fetch.artifacts import ArtifactFetcher, snapshot_archives
from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform


def fetch_lock(
    lock: Lock, platforms: Sequence[Platform], *, context: Context, folder: Path | None = None
) -> tuple[int, int]:
    """Fetch all that a build for these platforms reads; the number of artifacts and their bytes.

    With ``folder``, the lock's context, the layers of base images too.
    """
    wanted = {
        pin.artifact.sha256: pin.artifact
        for pins in (lock.apt, lock.conda, lock.pip)
        for pin in pins
        if set(pin.platforms) & set(platforms)
    }
    fetch_artifacts(
        tuple(wanted.values()), lock.archives, lock=lock, context=context, folder=folder
    )
    size = sum(artifact.size for artifact in wanted.values())
    if folder is not None:
        from imagelock.app.sections.base import fetch_bases

        size += fetch_bases(lock, platforms, context=context, folder=folder)
    return len(wanted), size


def fetch_artifacts(
    artifacts: Sequence[Artifact],
    archives: tuple[Archive, ...],
    *,
    lock: Lock,
    context: Context,
    folder: Path | None = None,
) -> dict[str, Path]:
    """The file of each artifact, from the store, its archive, or the archive's snapshot.

    ``folder`` is the lock's context.
    """
    missing = [item for item in artifacts if context.store.find(item.sha256) is None]
    fetcher = ArtifactFetcher(context.store, context.http, folder=folder)
    if not missing:
        return fetcher.fetch(artifacts, archives)
    with context.progress.task("downloading", sum(item.size for item in missing)) as task:
        return fetcher.fetch(
            artifacts,
            archives,
            progress=lambda _artifact, size: task.advance(size),
            fallbacks=snapshot_archives(lock.apt_indexes),
        )


def fetcher_for(lock: Lock, context: Context, folder: Path) -> partial[dict[str, Path]]:
    """What a builder is given to ask for artifacts with; ``folder`` is the lock's context."""
    return partial(fetch_artifacts, lock=lock, context=context, folder=folder)
