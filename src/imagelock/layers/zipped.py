"""The content of a zip's member, with the deflate stream it stands in (APPNOTE.TXT)."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final

from imagelock.layers.gzip import KEPT, inflated
from imagelock.model.errors import IntegrityError

_CHUNK: Final = 1 << 18
_PIECE: Final = 1 << 16
"""Deflate makes at most a thousand times as much of it."""

_LENGTHS: Final = 26
_HEADER: Final = 30
"""Of a local file header: where the lengths of its name and extra field are, and its own."""


def member_chunks(
    archive: zipfile.ZipFile, file: IO[bytes], info: zipfile.ZipInfo, *, where: str
) -> Iterator[bytes]:
    """A member's content; large ones are :class:`Deflated` where they are in the archive.

    ``file`` is what the archive is read from. IntegrityError for what cannot be read.
    """
    try:
        with archive.open(info) as member:  # compares the local header with the directory
            if info.compress_type == zipfile.ZIP_DEFLATED and info.file_size >= KEPT:
                place = f"{where}: {info.filename}"
                yield from inflated(
                    _raw(file, info), crc=info.CRC, size=info.file_size, where=place
                )
                return
            while chunk := member.read(_CHUNK):
                yield chunk
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise IntegrityError(f"{info.filename!r} cannot be read: {error}", where=where) from error


def _raw(file: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes between a member's local header (4.3.7) and its end."""
    file.seek(info.header_offset + _LENGTHS)
    start = info.header_offset + _HEADER + sum(struct.unpack("<HH", file.read(4)))
    end = start + info.compress_size
    while start < end:
        file.seek(start)
        piece = file.read(min(_PIECE, end - start))
        if not piece:
            return
        start += len(piece)
        yield piece
