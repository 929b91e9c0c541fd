"""Compressed bytes depend on the data alone."""

from __future__ import annotations

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagelock.layers.gzip import MEMBER, Compression, compressed, fixed_blocks

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
