"""Files and folders being written, each held by an flock, so that a sweep spares them.

A writer that is killed lets go of its lock, and what it left is known by that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file being written in the store's tmp folder."""

    path: Path
    file: IO[bytes]


def locked_file(folder: Path) -> PendingFile:
    """A new locked file; tried again when a sweep takes it between its making and its lock."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        file = os.fdopen(descriptor, "w+b")
        try:
            if _is_ours(descriptor, Path(name)):
                return PendingFile(Path(name), file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            file.close()
            raise
        file.close()


def locked_folder(folder: Path) -> tuple[Path, int]:
    """A new locked folder and what holds its lock, under the same care."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=folder))
        with contextlib.suppress(FileNotFoundError):
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            if _is_ours(held, path):
                return path, held
            os.close(held)


def _is_ours(held: int, path: Path) -> bool:
    """Whether the lock could be had, and nobody took the place away before."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return path.exists()


def sweep(folder: Path) -> int:
    """Remove what killed writers left in a folder; the number of files and folders removed."""
    removed = 0
    for path in sorted(folder.glob("*")):
        with contextlib.suppress(OSError):
            held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed += 1
            finally:
                os.close(held)
    return removed
