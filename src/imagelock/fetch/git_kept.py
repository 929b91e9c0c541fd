"""The repositories kept beside a store: how large each is, when it was last used, and its end."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imagelock.fetch.store import Store


@dataclass(frozen=True, slots=True)
class KeptRepository:
    """A bare repository; ``size`` in bytes, ``used`` its last use in seconds since 1970."""

    path: Path
    size: int
    used: float


def kept_repositories(store: Store) -> Iterator[KeptRepository]:
    """Those of a store, by name; :mod:`imagelock.fetch.git` touches the lock beside each."""
    for lock in sorted((store.root / "git").glob("*.lock")):
        with suppress(FileNotFoundError):
            path = lock.with_suffix("")
            yield KeptRepository(path, _size(path), lock.stat().st_mtime)


def remove_repository(repository: KeptRepository) -> None:
    """Forget a repository and its lock; one that a process reads now stays."""
    lock = repository.path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if repository.path.exists():
            shutil.rmtree(repository.path)
        lock.unlink()
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def _size(folder: Path) -> int:
    total = 0
    for place, _folders, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += (Path(place) / name).lstat().st_size
    return total
