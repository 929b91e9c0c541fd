"""What says that a tree is whole and that it is used.

The stamp is a file beside the tree: its text is the tree's seal, its time the last use, and its
lock guards both. A tree appears by rename and its seal is written right after, under the lock: a
tree without one is what a kill left between the two. Builds hold a shared lock on the trees they
mount.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUFFIX: Final = ".used"
PENDING: Final = "stamp."


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


def write_seal(trees: Path, name: str, seal: str) -> None:
    """Note the seal of a new tree, under its lock and as the last thing done there.

    A new file takes the old one's place: the old one may be shared by hard links with the copy of
    a store.
    """
    with tempfile.NamedTemporaryFile(dir=trees, prefix=PENDING, delete=False) as file:
        file.write(seal.encode())
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).rename(trees / f"{name}{SUFFIX}")


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
        with contextlib.suppress(OSError):  # NFS locks only what is open for writing
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # it was removed while we waited


class TreesInUse:
    """The locks on the trees that one build mounts. All is done under the stamps' locks."""

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def hold(self, tree: Path) -> None:
        """Keep others from removing a tree until :meth:`release_all`."""
        if tree not in self._held and (descriptor := _folder(tree)) is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._held[tree] = descriptor

    def is_free(self, tree: Path) -> bool:
        """Whether nobody else uses the tree; we no longer do."""
        if (ours := self._held.pop(tree, None)) is not None:
            os.close(ours)
        descriptor = _folder(tree)
        if descriptor is None:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def release_all(self) -> None:
        """The build has ended."""
        while self._held:
            os.close(self._held.popitem()[1])


def _folder(tree: Path) -> int | None:
    try:
        return os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # a user's tree whose root is another's
        return None
