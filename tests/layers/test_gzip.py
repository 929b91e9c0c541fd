"""Compressed bytes depend on the data alone."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagelock.layers.gzip import (
    MEMBER,
    Compression,
    Deflated,
    compressed,
    fixed_blocks,
    inflated,
)
from imagelock.model.errors import IntegrityError

SAMPLE = b"".join(hashlib.sha256(b"%d" % (i % 5000)).digest() + b"text " * 9 for i in range(60000))


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(data[start : start + size])
        start += size
    return [*pieces, data[start:]]


@given(st.binary(max_size=300), st.lists(st.integers(0, 90), max_size=8), st.integers(1, 64))
def test_blocks_do_not_depend_on_how_data_arrives(data: bytes, sizes: list[int], size: int) -> None:
    whole = list(fixed_blocks([data], size))
    assert list(fixed_blocks(cut(data, sizes), size)) == whole
    assert b"".join(whole) == data
    assert all(len(block) == size for block in whole[:-1])


@pytest.mark.parametrize("compression", list(Compression))
def test_threads_and_chunks_change_nothing(compression: Compression) -> None:
    alone = b"".join(compressed([SAMPLE], compression))
    with ThreadPoolExecutor(3) as pool:
        pieces = cut(SAMPLE, [1, 70_000, MEMBER, 13])
        assert b"".join(compressed(pieces, compression, pool=pool, ahead=2)) == alone


def test_golden_gzip() -> None:
    packed = b"".join(compressed([SAMPLE], Compression.GZIP))
    assert gzip.decompress(packed) == SAMPLE
    assert (
        hashlib.sha256(packed).hexdigest()
        == "389880b0d2605e5c030e5adfbf380325e5a1a017701e4a827a653ec858aa247d"
    )


def test_golden_zstd() -> None:
    packed = b"".join(compressed([SAMPLE], Compression.ZSTD))
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    assert reader.read() == SAMPLE
    assert (
        hashlib.sha256(packed).hexdigest()
        == "5107130d0248a475a74a5783fdd921adf65f6d4858acc066d8e0e794c002714d"
    )


def deflated(data: bytes, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def read(raw: list[bytes], data: bytes) -> list[Deflated]:
    return list(inflated(raw, crc=zlib.crc32(data), size=len(data), where="w"))


@given(
    st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=6),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(0, 9),
)
def test_what_came_deflated_keeps_its_stream(
    files: list[tuple[bytes, bool]], sizes: list[int], level: int
) -> None:
    """The gzip members are the streams themselves; the content and other forms do not change."""
    stream: list[bytes] = []
    for data, keeps in files:
        stream += read(cut(deflated(data, level), sizes), data) if keeps else cut(data, sizes)
    whole = b"".join(data for data, _ in files)
    assert b"".join(stream) == whole
    packed = b"".join(compressed(stream, Compression.GZIP))
    assert gzip.decompress(packed) == whole
    assert all(deflated(data, level) in packed for data, keeps in files if keeps)
    with ThreadPoolExecutor(2) as pool:
        assert b"".join(compressed(stream, Compression.GZIP, pool=pool, ahead=2)) == packed
    for other in (Compression.ZSTD, Compression.NONE):
        plain = b"".join(compressed([whole], other))
        assert b"".join(compressed(stream, other)) == plain


def test_golden_deflated() -> None:
    data = SAMPLE[:60000]
    # One stored block (RFC 1951, 3.2.4): what zlib makes may depend on its release.
    raw = b"\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data
    packed = b"".join(compressed([b"before", *read([raw], data), b"after"], Compression.GZIP))
    assert gzip.decompress(packed) == b"before" + data + b"after"
    assert (
        hashlib.sha256(packed).hexdigest()
        == "a19f6dfc3e1d706de814805d55211c3c1b8332fec7f2101c1dc8d25f23ab9197"
    )


def test_bytes_after_a_stream_are_not_taken_over() -> None:
    hidden = gzip.compress(b"what no diff ID covers")
    packed = b"".join(compressed(read([deflated(SAMPLE) + hidden], SAMPLE), Compression.GZIP))
    assert gzip.decompress(packed) == SAMPLE
    assert hidden not in packed


@pytest.mark.parametrize(
    ("raw", "crc", "size", "problem"),
    [
        (deflated(SAMPLE)[:-1], 0, 0, "cut short"),
        (b"", 0, 0, "cut short"),
        (b"\xff" * 30, 0, 0, "damaged"),
        (deflated(b"x" * 100), zlib.crc32(b"x" * 100), 99, "directory"),
        (deflated(b"x" * 100), zlib.crc32(b"y" * 100), 100, "directory"),
    ],
)
def test_damaged_streams_are_refused(raw: bytes, crc: int, size: int, problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem):
        list(inflated([raw], crc=crc, size=size or len(SAMPLE), where="w"))
