"""METADATA out of a wheel, from as few of its bytes as will do (APPNOTE.TXT 4.3, PEP 427)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

END: Final = b"PK\x05\x06"
_ENTRY: Final = b"PK\x01\x02"
_LOCAL: Final = b"PK\x03\x04"
_LARGEST_METADATA: Final = 32 << 20


class NotReadable(ValueError):
    """The archive is damaged, or of a kind that needs the whole file (zip64)."""


@dataclass(frozen=True, slots=True)
class _Member:
    method: int
    crc: int
    packed: int
    size: int
    offset: int


Ranges = Callable[[int, int], bytes]
"""Reads the bytes from a start to an end (exclusive) of the file."""


def read_metadata(tail: bytes, size: int, distribution: str, ranges: Ranges) -> bytes:
    """METADATA of a wheel of ``size`` bytes whose last bytes are ``tail``.

    ``distribution`` is ``NAME-VERSION`` of the file name. ``ranges`` is called for what is
    outside the tail. NotReadable when the archive is damaged or has no such file.
    """
    start, length = _directory(tail)
    first = size - len(tail)
    directory = (
        tail[start - first : start - first + length]
        if start >= first
        else ranges(start, start + length)
    )
    member = _find(directory, distribution)
    end = min(size, member.offset + member.packed + 30 + 1024)
    data = (
        tail[member.offset - first : end - first]
        if member.offset >= first
        else ranges(member.offset, end)
    )
    return _unpack(data, member)


def _directory(tail: bytes) -> tuple[int, int]:
    place = tail.rfind(END)
    if place < 0 or len(tail) < place + 22:
        raise NotReadable("the wheel has no zip directory at its end")
    length, start = struct.unpack_from("<II", tail, place + 12)
    if 0xFFFFFFFF in {length, start}:
        raise NotReadable("the wheel is a zip64 archive")
    return start, length


def _members(directory: bytes) -> Iterator[tuple[str, _Member]]:
    place = 0
    while directory[place : place + 4] == _ENTRY:
        if len(directory) < place + 46:
            raise NotReadable("the zip directory is cut short")
        method = struct.unpack_from("<H", directory, place + 10)[0]
        crc, packed, size, name, extra, comment = struct.unpack_from(
            "<IIIHHH", directory, place + 16
        )
        offset = struct.unpack_from("<I", directory, place + 42)[0]
        text = directory[place + 46 : place + 46 + name].decode("utf-8", "replace")
        yield text, _Member(method, crc, packed, size, offset)
        place += 46 + name + extra + comment


def _find(directory: bytes, distribution: str) -> _Member:
    wanted = f"{distribution}.dist-info/METADATA"
    others = []
    for name, member in _members(directory):
        if name == wanted:
            return member
        if name.endswith(".dist-info/METADATA") and name.count("/") == 1:
            others.append(member)
    if len(others) != 1:
        raise NotReadable(f"the wheel has {len(others) or 'no'} METADATA files")
    return others[0]


def _unpack(data: bytes, member: _Member) -> bytes:
    if data[:4] != _LOCAL or len(data) < 30 or member.size > _LARGEST_METADATA:
        raise NotReadable("the zip entry of METADATA is damaged")
    name, extra = struct.unpack_from("<HH", data, 26)
    start = 30 + name + extra
    packed = data[start : start + member.packed]
    if len(packed) < member.packed or member.method not in {0, 8}:
        raise NotReadable("the zip entry of METADATA needs the whole wheel")
    try:
        content = packed if member.method == 0 else zlib.decompress(packed, -15)
    except zlib.error as error:
        raise NotReadable("METADATA cannot be decompressed") from error
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise NotReadable("METADATA does not have the CRC of its entry")
    return content
