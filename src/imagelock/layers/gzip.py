"""Compression whose bytes depend on nothing but the data and the recipe.

gzip is written as members of a fixed number of input bytes (RFC 1952, 2.2: members follow each
other), each compressed whole by libdeflate: how the data arrived, how many threads there are and
what the CPU can do change nothing. libdeflate releases the GIL.

A file that came deflated keeps its stream: it becomes a member of its own, as it was published
(:class:`Deflated`). A wheel is then packed for the price of reading it.
"""

from __future__ import annotations

import io
import struct
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

KEPT: Final = 32 << 10
"""Files from this size on keep the deflate stream they came in (recipe 1). What stands before one
is a shorter member, which costs more than it saves for smaller files."""

_HEADER: Final = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""As libdeflate writes it: no name, no time, no system."""

_GZIP: Final = 31
_RAW: Final = -15
_READ: Final = 1 << 20


class Compression(StrEnum):
    """How layers are compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class Deflated(bytes):
    """Bytes of a file that know the part of a gzip member (RFC 1952) they were read from.

    The ``packed`` of a file's chunks together are one whole member with the file as its content.
    """

    packed: bytes

    @classmethod
    def of(cls, plain: bytes, packed: bytes) -> Deflated:
        """A chunk; either may be empty."""
        chunk = cls(plain)
        chunk.packed = packed
        return chunk


def inflated(raw: Iterable[bytes], *, crc: int, size: int, where: str) -> Iterator[Deflated]:
    """The content of a deflate stream (RFC 1951), each chunk with its part of a gzip member.

    ``crc`` and ``size`` are the content's, as an archive's directory has them; IntegrityError at
    the end when they are not. What follows the stream is left out.
    """
    stream = zlib.decompressobj(wbits=_RAW)
    found = length = 0
    begun = _HEADER
    for piece in raw:
        try:
            plain = stream.decompress(piece)
        except zlib.error as error:
            raise broken(f"the deflated data is damaged: {error}", where) from error
        found = zlib.crc32(plain, found)
        length += len(plain)
        yield Deflated.of(plain, begun + piece[: len(piece) - len(stream.unused_data)])
        begun = b""
        if stream.eof or length > size:
            break
    if not stream.eof:
        raise broken("the deflated data is cut short", where)
    if (found, length) != (crc, size):
        raise broken("the deflated data is not what its directory says", where)
    yield Deflated.of(b"", struct.pack("<II", found, length & 0xFFFFFFFF))


def compressed(
    chunks: Iterable[bytes],
    compression: Compression,
    *,
    pool: Executor | None = None,
    ahead: int = 4,
) -> Iterator[bytes]:
    """The compressed bytes; at most ``ahead`` blocks are in memory."""
    keep = compression is Compression.GZIP
    blocks = fixed_blocks(chunks, MEMBER, keep=keep)
    if compression is Compression.NONE:
        yield from blocks
        return
    squeeze = _gzip_member if keep else _zstd_frame
    running: deque[Future[bytes] | bytes] = deque()
    for block in blocks:
        if keep and isinstance(block, Deflated):
            running.append(block.packed)
        else:
            running.append(pool.submit(squeeze, block) if pool else squeeze(block))
        while len(running) >= (ahead if pool else 1):
            yield _done(running.popleft())
    while running:
        yield _done(running.popleft())


def _done(member: Future[bytes] | bytes) -> bytes:
    return member if isinstance(member, bytes) else member.result()


def fixed_blocks(chunks: Iterable[bytes], size: int, *, keep: bool = False) -> Iterator[bytes]:
    """The same bytes in blocks of exactly ``size``, the last one shorter.

    ``keep``: what came deflated is passed on as it is, after a shorter block of what was before.
    """
    buffer = bytearray()
    for chunk in chunks:
        if keep and isinstance(chunk, Deflated):
            if buffer:
                yield bytes(buffer)
                buffer = bytearray()
            yield chunk
            continue
        if not buffer and type(chunk) is bytes and len(chunk) == size:
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
