"""One writer at a time for a lock or a spec: whoever reads, decides and writes it, in any process.

Readers need no turn: the file is replaced by rename.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imagelock.app.context import Context

FOLDER: Final = "writers"
"""In the store, so that nothing is left beside the lock."""


@contextmanager
def only_writer(path: Path, context: Context) -> Iterator[None]:
    """The file at ``path`` for us alone; the store stays as it is meanwhile.

    It waits for other threads and processes with the same store, and is no call to make twice
    for one file. The kernel lets go when a process dies.
    """
    store = context.store
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    with store.in_use():
        held: int | None = None
        with suppress(OSError):  # a store of others is only read: then nobody is waited for
            (store.root / FOLDER).mkdir(parents=True, exist_ok=True)
            held = os.open(store.root / FOLDER / name, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            if held is not None and not _taken(held):
                with context.progress.task(f"waiting for another who writes {path.name}"):
                    fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            if held is not None:
                os.close(held)


def _taken(held: int) -> bool:
    """Whether it could be taken at once."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
