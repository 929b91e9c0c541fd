"""Artifacts of a lock into the store: for a build, or ahead of one without a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock as Mutex
from typing import Final, Self

from imagelock.app.context import Context
from imagelock.fetch.artifacts import ArtifactFetcher, snapshot_archives
from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.ports import Progress, Task

ENGINES: Final = frozenset({"buildkit", "docker", "podman"})
"""Builders on engines: what they build installs wheels by uv."""


def fetch_lock(
    lock: Lock, platforms: Sequence[Platform], *, context: Context, folder: Path | None = None
) -> tuple[int, int]:
    """Fetch all that a build for these platforms reads; the number of artifacts and their bytes.

    With ``folder``, the lock's context, the layers of base images too.
    """
    with context.store.in_use():
        return _fetch_lock(lock, platforms, context, folder)


def _fetch_lock(
    lock: Lock, platforms: Sequence[Platform], context: Context, folder: Path | None
) -> tuple[int, int]:
    wanted = {
        pin.artifact.sha256: pin.artifact
        for pins in (lock.apt, lock.conda, lock.pip, lock.pip_builds)
        for pin in pins
        if set(pin.platforms) & set(platforms)
    }
    wanted |= {wheel.sha256: wheel for wheel in _installers(lock, platforms)}
    fetch_artifacts(
        tuple(wanted.values()), lock.archives, lock=lock, context=context, folder=folder
    )
    size = sum(artifact.size for artifact in wanted.values())
    if folder is not None:
        from imagelock.app.sections.base import fetch_bases

        size += fetch_bases(lock, platforms, context=context, folder=folder)
    return len(wanted), size


def _installers(lock: Lock, platforms: Sequence[Platform]) -> tuple[Artifact, ...]:
    """The uv that the engine of the spec's builder installs wheels with."""
    if lock.roots.builder.name not in ENGINES or not lock.pip:
        return ()
    from imagelock.render.uv import uv_wheel

    return tuple(uv_wheel(lock.recipe, platform) for platform in platforms)


def fetch_artifacts(
    artifacts: Sequence[Artifact],
    archives: tuple[Archive, ...],
    *,
    lock: Lock,
    context: Context,
    folder: Path | None = None,
    arrived: Callable[[int], None] = lambda _size: None,
) -> dict[str, Path]:
    """The file of each artifact, from the store, its archive, or the archive's snapshot.

    ``folder`` is the lock's context. ``arrived`` is told, from any thread, of bytes that came.
    """
    missing = [item for item in artifacts if context.store.find(item.sha256) is None]
    fetcher = ArtifactFetcher(context.store, context.http, folder=folder)
    if not missing:
        return fetcher.fetch(artifacts, archives)
    with (
        context.progress.task("downloading", sum(item.size for item in missing)) as whole,
        _Bars(context.progress) as bars,
    ):

        def progress(artifact: Artifact, size: int) -> None:
            whole.advance(size)
            bars.advance(artifact, size)
            arrived(size)

        return fetcher.fetch(
            artifacts, archives, progress=progress, fallbacks=snapshot_archives(lock.apt_indexes)
        )


class _Bars:
    """A line of progress for each artifact under way; callable from any thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open: dict[Artifact, tuple[ExitStack, Task]] = {}
        self._came: Counter[Artifact] = Counter()
        self._lock = Mutex()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            for stack, _task in self._open.values():
                stack.close()

    def advance(self, artifact: Artifact, size: int) -> None:
        with self._lock:
            if artifact not in self._open:
                stack = ExitStack()
                name = f"  {artifact.filename}"
                task = stack.enter_context(self._progress.task(name, artifact.size))
                self._open[artifact] = (stack, task)
            stack, task = self._open[artifact]
            task.advance(size)
            self._came[artifact] += size
            if self._came[artifact] >= artifact.size:
                del self._open[artifact]
                stack.close()


def fetcher_for(
    lock: Lock,
    context: Context,
    folder: Path,
    arrived: Callable[[int], None] = lambda _size: None,
) -> partial[dict[str, Path]]:
    """What a builder is given to ask for artifacts with; ``folder`` is the lock's context."""
    return partial(fetch_artifacts, lock=lock, context=context, folder=folder, arrived=arrived)
