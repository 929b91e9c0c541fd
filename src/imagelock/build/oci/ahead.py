"""Streams that threads read before their turn, so that decoding keeps every core busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import Final

from imagelock.build.oci.beside import usable_cores
from imagelock.layers.untar import Readable

_PIECE: Final = 1 << 20
_MOST_THREADS: Final = 4
_IN_USE: Final = 4
"""Pieces that the stream in use may have waiting whatever the others have."""

BUDGET: Final = 32 << 20
"""Bytes that may wait to be used, all streams together."""


@contextmanager
def read_ahead(
    streams: Sequence[Callable[[], Readable]], *, budget: int = BUDGET
) -> Iterator[Sequence[Ahead]]:
    """The same streams, to be used in their order; each may be opened before its turn.

    What reading one raises is raised when its user comes to that place. Who comes to a stream has
    done with those before it; others that nobody is going to use are skipped.
    """
    shared = _Shared(budget)
    ahead = [Ahead(number, opened, shared) for number, opened in enumerate(streams)]
    shared.streams = ahead
    with ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS)) as pool:
        try:
            # Begun in order, and those before it have ended: the stream in use has a thread.
            for stream in ahead:
                pool.submit(stream.fill)
            yield ahead
        finally:
            shared.close()
            pool.shutdown(cancel_futures=True)


class _Shared:
    """What all streams know: how much waits, and which of them is in use."""

    def __init__(self, budget: int) -> None:
        self.changed = Condition()
        self.left = budget
        self.streams: Sequence[Ahead] = ()
        self.in_use = 0
        self.closed = False

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class Ahead:
    """One of them: filled by a thread, read by its user."""

    def __init__(self, number: int, opened: Callable[[], Readable], shared: _Shared) -> None:
        self._number = number
        self._opened = opened
        self._shared = shared
        self._waiting: deque[bytes] = deque()
        self._piece = b""
        self._at = 0
        self._ended = False
        self._skipped = False
        self._error: Exception | None = None

    def fill(self) -> None:
        """Read all of it; waits while too much waits to be used."""
        try:
            stream = self._opened()
            while self._may_go_on() and (piece := stream.read(_PIECE)):
                with self._shared.changed:
                    if not self._skipped:
                        self._waiting.append(piece)
                        self._shared.left -= len(piece)
                    self._shared.changed.notify_all()
        except Exception as error:  # noqa: BLE001 — its user gets it
            self._error = error
        finally:
            with self._shared.changed:
                self._ended = True
                self._shared.changed.notify_all()

    def read(self, size: int, /) -> bytes:
        """The next bytes, perhaps fewer than asked; empty at the end."""
        if self._at == len(self._piece):
            self._piece = self._next()
            self._at = 0
        data = self._piece[self._at : self._at + size]
        self._at += len(data)
        return data

    def skip(self) -> None:
        """It is not going to be used."""
        with self._shared.changed:
            self._skipped = True
            self._shared.left += sum(map(len, self._waiting))
            self._waiting.clear()
            self._shared.changed.notify_all()

    def _next(self) -> bytes:
        shared = self._shared
        with shared.changed:
            # A tar is read to its end, and a file may have more behind it.
            for done in shared.streams[shared.in_use : self._number]:
                done.skip()
            shared.in_use = self._number
            shared.changed.notify_all()
            shared.changed.wait_for(lambda: self._waiting or self._ended or shared.closed)
            if shared.closed:
                raise ValueError("read of a closed stream")
            if self._waiting:
                piece = self._waiting.popleft()
                shared.left += len(piece)
                return piece
        if self._error is not None:
            raise self._error
        return b""

    def _may_go_on(self) -> bool:
        shared = self._shared

        def may() -> bool:
            in_use = shared.in_use == self._number and len(self._waiting) < _IN_USE
            return shared.left > 0 or in_use or shared.closed or self._skipped

        with shared.changed:
            shared.changed.wait_for(may)
            return not (shared.closed or self._skipped)
