"""Streams read ahead give what they give alone, in bounded memory."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.build.oci.ahead import read_ahead
from imagelock.layers.untar import Readable

PIECE = 1 << 20


def all_of(stream: Readable, size: int) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 3 * PIECE), max_size=7),
    st.integers(1, 3 * PIECE),
    st.integers(100, 2 * PIECE),
)
def test_every_stream_gives_its_own_bytes(sizes: list[int], budget: int, size: int) -> None:
    contents = [bytes([number + 1]) * length for number, length in enumerate(sizes)]
    opened: list[Callable[[], Readable]] = [partial(io.BytesIO, content) for content in contents]
    with read_ahead(opened, budget=budget) as streams:
        assert [all_of(stream, size) for stream in streams] == contents


class Endless:
    """Counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0
        self.full = threading.Event()

    def read(self, size: int, /) -> bytes:
        self.taken += size
        if self.taken >= 8 * PIECE:
            self.full.set()
        return bytes(size)


def test_what_waits_is_bounded_and_leaving_ends_the_threads() -> None:
    used, later = Endless(), Endless()
    before = threading.active_count()
    with read_ahead([lambda: used, lambda: later], budget=8 * PIECE) as streams:
        assert used.full.wait(60) or later.full.wait(60)
        assert streams[0].read(10) == bytes(10)
        assert used.taken + later.taken <= 16 * PIECE
    assert threading.active_count() == before


class Broken:
    def __init__(self) -> None:
        self.left = 4

    def read(self, size: int, /) -> bytes:
        if not self.left:
            raise EOFError("cut short")
        data = b"good"[: min(size, self.left)]
        self.left -= len(data)
        return data


def test_what_is_skipped_is_in_nobody_s_way() -> None:
    opened: list[Callable[[], Readable]] = [Endless, Endless, partial(io.BytesIO, b"x" * PIECE)]
    with read_ahead(opened, budget=2 * PIECE) as streams:
        streams[0].skip()
        streams[1].skip()
        assert all_of(streams[2], 1000) == b"x" * PIECE


def test_one_that_is_not_read_to_its_end_is_in_nobody_s_way() -> None:
    """As a tar with more behind its end: a reader stops there, and goes on with the next."""
    opened: list[Callable[[], Readable]] = [
        *(partial(io.BytesIO, b"x" * 20 * PIECE) for _ in range(9)),
        partial(io.BytesIO, b"last"),
    ]
    with read_ahead(opened, budget=PIECE) as streams:
        for stream in streams[:-1]:
            assert stream.read(10) == b"x" * 10
        assert all_of(streams[-1], 10) == b"last"


def test_nothing_is_read_after_the_end() -> None:
    with read_ahead([Endless], budget=PIECE) as streams:
        pass
    with pytest.raises(ValueError, match="closed"):
        all_of(streams[0], 3 * PIECE)


def test_an_error_comes_where_it_stands() -> None:
    def missing() -> Readable:
        raise FileNotFoundError("no such part")

    with read_ahead([lambda: io.BytesIO(b"x"), Broken, missing]) as streams:
        assert all_of(streams[0], 10) == b"x"
        assert streams[1].read(10) == b"good"
        with pytest.raises(EOFError, match="cut short"):
            streams[1].read(10)
        with pytest.raises(FileNotFoundError):
            streams[2].read(10)
