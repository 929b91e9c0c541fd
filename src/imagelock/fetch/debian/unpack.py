"""Decompress an index while it downloads, within the memory of a few pieces."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from imagelock.fetch.debian.release import ListedFile
from imagelock.fetch.store import Store, disk_errors
from imagelock.model.errors import IntegrityError
from imagelock.model.names import Sha256

_LARGEST: Final = 1 << 31
_PIECES_AHEAD: Final = 8
_OUTPUT: Final = 1 << 20


class _Decompressor(Protocol):
    """What unpacks one compressed file, a bounded output at a time."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The output that this input completes, in bounded pieces."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the compressed file ended where it says it does."""
        ...


class _Blockwise:
    """xz and bzip2: decompressors that keep their unread input."""

    def __init__(self, make: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]) -> None:
        self._make = make
        self._current = make()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """As promised; concatenated streams follow each other."""
        while data or not self._current.needs_input:
            if self._current.eof:
                data = self._current.unused_data + data
                if not data:
                    return
                self._current = self._make()
            yield self._current.decompress(data, _OUTPUT)
            data = b""

    @property
    def complete(self) -> bool:
        """Whether the last stream ended."""
        return self._current.eof


class _Gzip:
    """gzip."""

    def __init__(self) -> None:
        self._current = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """As promised; concatenated members follow each other."""
        while data:
            if self._current.eof:
                self._current = zlib.decompressobj(wbits=31)
            yield self._current.decompress(data, _OUTPUT)
            data = self._current.unconsumed_tail or self._current.unused_data

    @property
    def complete(self) -> bool:
        """Whether the last member ended."""
        return self._current.eof


class _Plain:
    """No compression."""

    complete = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The input itself."""
        yield data


FORMATS: Final[dict[str, Callable[[], _Decompressor]]] = {
    ".xz": lambda: _Blockwise(lzma.LZMADecompressor),
    ".gz": _Gzip,
    ".bz2": lambda: _Blockwise(bz2.BZ2Decompressor),
    "": _Plain,
}
"""By suffix, the best first."""


def unpack(
    pieces: Iterator[bytes],
    *,
    suffix: str,
    compressed: ListedFile,
    plain: ListedFile | None,
    store: Store,
    where: str,
) -> Sha256:
    """Keep the decompressed stream in the store; its hash.

    The compressed bytes must be those of ``compressed``, the result those of ``plain`` where the
    index lists it. IntegrityError when they differ, are cut short, or are no such format.
    """
    limit = plain.size if plain else _LARGEST
    digest, size = hashlib.sha256(), 0
    decompressor = FORMATS[suffix]()
    with store.temporary() as pending:
        try:
            for piece in _ahead(_checked(pieces, compressed, where)):
                for output in decompressor.feed(piece):
                    size += len(output)
                    if size > limit:
                        raise _differs(f"at most {limit} bytes unpacked", "more", where)
                    digest.update(output)
                    with disk_errors(str(store.root)):
                        pending.file.write(output)
        except (lzma.LZMAError, zlib.error, OSError, ValueError) as error:
            raise IntegrityError(
                f"cannot be unpacked: {error}",
                where=where,
                hint="the file was changed at its source: try another mirror",
            ) from error
        if not decompressor.complete:
            raise _differs("a whole compressed file", "a part of one", where)
        found = Sha256(digest.hexdigest())
        if plain and found != plain.sha256:
            raise _differs(f"sha256 {plain.sha256} unpacked", found, where)
        store.add_pending(pending, found)
    return found


def _checked(pieces: Iterator[bytes], listed: ListedFile, where: str) -> Iterator[bytes]:
    """The pieces, checked against the size while they pass and the hash at the end."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        if size > listed.size:
            raise _differs(f"{listed.size} bytes", "more", where)
        digest.update(piece)
        yield piece
    if size < listed.size:
        raise _differs(f"{listed.size} bytes", str(size), where)
    if digest.hexdigest() != listed.sha256:
        raise _differs(f"sha256 {listed.sha256}", digest.hexdigest(), where)


def _differs(expected: str, found: str, where: str) -> IntegrityError:
    return IntegrityError(
        f"expected {expected}, got {found}",
        where=where,
        hint="the mirror is being updated or was changed: try again, then try another mirror",
    )


def _ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, read by a thread so that the network works while the processor does."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES_AHEAD)
    stopped = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for piece in pieces:
                if not put(piece):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            put(error)

    reader = threading.Thread(target=read, name="index-download", daemon=True)
    reader.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()
