"""Compression whose bytes depend on nothing but the data and the recipe.

gzip is written as members of a fixed number of input bytes (RFC 1952, 2.2: members follow each
other), each compressed whole by libdeflate: how the data arrived, how many threads there are and
what the CPU can do change nothing. libdeflate releases the GIL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from enum import StrEnum
from typing import Final

MEMBER: Final = 1 << 20
"""Input bytes of one gzip member (recipe 1)."""

LEVEL: Final = 4
"""libdeflate's level (recipe 1): 3 % larger than level 6, a third faster."""

ZSTD_LEVEL: Final = 3


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
        buffer += chunk
        if len(buffer) >= size:
            whole = len(buffer) - len(buffer) % size
            view = bytes(memoryview(buffer)[:whole])
            del buffer[:whole]
            for start in range(0, whole, size):
                yield view[start : start + size]
    if buffer:
        yield bytes(buffer)


def _gzip_member(data: bytes) -> bytes:
    import deflate

    return bytes(deflate.gzip_compress(data, LEVEL))


def _zstd_frame(data: bytes) -> bytes:
    import zstandard

    compressor = zstandard.ZstdCompressor(
        level=ZSTD_LEVEL, write_checksum=True, write_content_size=True, threads=0
    )
    return compressor.compress(data)
