"""One file of known hash and size on its way into the store.

A stream that is cut short goes on where it stopped, as often as it brings something new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from imagelock.fetch.store import Store, disk_errors
from imagelock.fetch.temporary import PendingFile
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.names import Sha256

OpenFrom = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Opens the file at a byte; NetworkError when the server cannot start there."""

_MOST_CUTS: Final = 5


def download(
    store: Store,
    open_from: OpenFrom,
    *,
    sha256: Sha256,
    size: int,
    where: str,
    progress: Callable[[int], None] = lambda _size: None,
) -> None:
    """Bring a file into the store, its size and hash checked.

    ``progress`` is told of bytes that arrived, and of a negative number when they are thrown
    away. ``where`` names the source in errors: NetworkError, and IntegrityError for other bytes.
    """
    with store.temporary() as pending:
        running = _Download(store, pending, size=size, where=where, progress=progress)
        try:
            running.receive(open_from)
            running.check(sha256)
        except BaseException:
            progress(-running.received)
            raise
        store.add_pending(pending, sha256)


def at_range(start: int) -> tuple[dict[str, str], frozenset[int]]:
    """The header that asks for a file from a byte on, and the status that says it is granted."""
    if start:
        return {"Range": f"bytes={start}-"}, frozenset({206})
    return {}, frozenset({200})


class _Download:
    """What has arrived, and its hash so far."""

    def __init__(
        self,
        store: Store,
        pending: PendingFile,
        *,
        size: int,
        where: str,
        progress: Callable[[int], None],
    ) -> None:
        self._store = store
        self._pending = pending
        self._size = size
        self._where = where
        self._progress = progress
        self.received = 0
        self.digest = hashlib.sha256()

    def receive(self, open_from: OpenFrom) -> None:
        """All bytes. NetworkError when the stream breaks too often."""
        for attempt in range(_MOST_CUTS):
            before = self.received
            try:
                self._append(open_from)
            except NotFound:
                raise
            except NetworkError:
                # Nothing at all came: the client has tried again already.
                if self.received == before and not (attempt and before):
                    raise
                if self.received == before:
                    self._restart()
                continue
            if self.received == self._size:
                return
        raise NetworkError(
            f"expected {self._size} bytes, got {self.received}",
            where=self._where,
            hint="the download was cut short: try again",
        )

    def check(self, sha256: Sha256) -> None:
        """IntegrityError when what arrived is not the file."""
        found = self.digest.hexdigest()
        if found != sha256:
            raise IntegrityError(
                f"expected sha256 {sha256}, got {found}",
                where=self._where,
                hint="the file was changed at its source: do not use it before you know why",
            )

    def _append(self, open_from: OpenFrom) -> None:
        with open_from(self.received) as chunks:
            for chunk in chunks:
                if self.received + len(chunk) > self._size:
                    raise IntegrityError(
                        f"expected {self._size} bytes, got more", where=self._where
                    )
                self.digest.update(chunk)
                with disk_errors(str(self._store.root)):
                    self._pending.file.write(chunk)
                self.received += len(chunk)
                self._progress(len(chunk))

    def _restart(self) -> None:
        """The server cannot go on where it stopped: throw away what has arrived."""
        self._progress(-self.received)
        self._pending.file.seek(0)
        self._pending.file.truncate()
        self.received, self.digest = 0, hashlib.sha256()
