"""Compression whose bytes depend on nothing but the data and the recipe.

gzip is written as members of a fixed number of input bytes (RFC 1952, 2.2: members follow each
other), each compressed whole by libdeflate: how the data arrived, how many threads there are and
what the CPU can do change nothing. libdeflate releases the GIL.
"""

from __future__ import annotations

import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Final

from imagelock.layers.untar import broken

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MEMBER: Final = 1 << 20
"""Input bytes of one gzip member (recipe 1)."""

LEVEL: Final = 4
"""libdeflate's level (recipe 1): 3 % larger than level 6, a third faster."""

ZSTD_LEVEL: Final = 3

_GZIP: Final = 31
_READ: Final = 1 << 20


class Compression(StrEnum):
    """How layers are compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


def compressed(
    chunks: Iterable[bytes],
    compression: Compression,
    *,
    pool: Executor | None = None,
    ahead: int = 4,
) -> Iterator[bytes]:
    """The compressed bytes; at most ``ahead`` blocks are in memory."""
    blocks = fixed_blocks(chunks, MEMBER)
    if compression is Compression.NONE:
        yield from blocks
        return
    squeeze = _gzip_member if compression is Compression.GZIP else _zstd_frame
    if pool is None:
        yield from map(squeeze, blocks)
        return
    running: deque[Future[bytes]] = deque()
    for block in blocks:
        running.append(pool.submit(squeeze, block))
        if len(running) >= ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def fixed_blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of exactly ``size``, the last one shorter."""
    buffer = bytearray()
    for chunk in chunks:
        if not buffer and len(chunk) == size:
            yield chunk
            continue
        buffer += chunk
        start = 0
        while len(buffer) - start >= size:
            with memoryview(buffer) as view:
                block = bytes(view[start : start + size])
            start += size
            yield block
        del buffer[:start]
    if buffer:
        yield bytes(buffer)


def gunzipped(raw: IO[bytes], *, where: str) -> io.BufferedReader:
    """The uncompressed bytes of gzip members that follow each other (RFC 1952).

    Reading gives an IntegrityError where they are cut short or damaged. Several times faster than
    gzip.GzipFile, whose parts are in Python.
    """
    return io.BufferedReader(_Gunzip(raw, where), _READ)


class _Gunzip(io.RawIOBase):
    def __init__(self, raw: IO[bytes], where: str) -> None:
        self._raw = raw
        self._where = where
        self._member: zlib._Decompress | None = None
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            self._input = self._input or self._raw.read(_READ)
            ended = not self._input
            if self._member is None:
                self._input = self._input.lstrip(b"\0")  # what may pad a member (gzip(1))
                if ended:
                    return 0
                if not self._input:
                    continue
                self._member = zlib.decompressobj(wbits=_GZIP)
            elif ended:
                raise broken("the gzip data is cut short", self._where)
            try:
                data = self._member.decompress(self._input, len(view))
            except zlib.error as error:
                raise broken(f"the gzip data is damaged: {error}", self._where) from error
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                self._input = self._member.unused_data
                self._member = None
            if data:
                view[: len(data)] = data
                return len(data)


def _gzip_member(data: bytes) -> bytes:
    import deflate

    return bytes(deflate.gzip_compress(data, LEVEL))


def _zstd_frame(data: bytes) -> bytes:
    import zstandard

    compressor = zstandard.ZstdCompressor(
        level=ZSTD_LEVEL, write_checksum=True, write_content_size=True, threads=0
    )
    return compressor.compress(data)
