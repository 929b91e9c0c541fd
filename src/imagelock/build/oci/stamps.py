"""The file beside a tree: its seal, by its time the last use, by its lock the guard of both.

A tree appears by rename and its seal is written right after, both under the lock: a tree without
one is what a kill left between the two.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUFFIX: Final = ".used"


@contextlib.contextmanager
def locked_stamp(trees: Path, name: str) -> Iterator[int | None]:
    """The open stamp of a tree under its lock; None in a store that is only read and has none."""
    descriptor = _open(trees / f"{name}{SUFFIX}")
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def read_seal(stamp: int | None) -> str:
    """The seal, empty when there is none."""
    return "" if stamp is None else os.pread(stamp, 100, 0).decode("ascii", "replace")


def write_seal(stamp: int | None, seal: str) -> None:
    """Note the seal of a new tree; OSError in a store that is only read."""
    if stamp is not None:
        os.ftruncate(stamp, 0)
        os.pwrite(stamp, seal.encode(), 0)


def mark_used(stamp: int | None) -> None:
    """Note that the tree is used now."""
    if stamp is not None:
        with contextlib.suppress(OSError):  # a shared, read-only store has no use for it
            os.utime(stamp)


def _open(path: Path) -> int | None:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return None
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # it was removed while we waited
