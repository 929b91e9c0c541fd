"""Scratch folders beside the trees, each locked while its build lives."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PREFIX: Final = "tmp."


class ScratchFolders:
    """Makes them, and knows those that killed builds left by their free locks."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._held: dict[Path, int] = {}

    def new(self) -> Path:
        """A new folder, locked while we live."""
        self._parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            lock = _locked(folder)
            if lock is not None:
                self._held[folder] = lock
                return folder

    def left(self) -> Iterator[Path]:
        """The folders that killed builds left, now ours to remove."""
        for folder in sorted(self._parent.glob(f"{_PREFIX}*")):
            lock = _locked(folder)
            if lock is not None:
                self._held[folder] = lock
                yield folder

    def forget(self) -> None:
        """Give up the locks of folders that are gone."""
        for folder in [folder for folder in self._held if not folder.exists()]:
            os.close(self._held.pop(folder))


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None when another has it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
