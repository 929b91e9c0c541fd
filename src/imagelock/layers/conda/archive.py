"""The two forms of a conda package: ``.conda`` (CEP 35) and ``.tar.bz2``.

Read as streams, never unpacked to a file system. An archive made to write elsewhere, a broken
one, or one that unpacks to far more than it holds is an IntegrityError.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

from imagelock.layers.entries import Entry, Kind, safe_path, unsafe
from imagelock.layers.untar import Readable, broken, read_tar
from imagelock.model.errors import IntegrityError

INFO: Final = "info/"
"""Where a package says what it is; nothing of it is installed."""

_GENEROUS: Final = 4 << 30
_RATIO: Final = 300
"""An archive that unpacks to more than both bounds is a bomb."""
_LARGEST_INFO: Final = 128 << 20
_MOST_MEMBERS: Final = 1 << 21
"""No honest package comes near either."""
_DAMAGED: Final = (
    *(EOFError, OSError, ValueError, OverflowError, RuntimeError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What reading a damaged archive ends in; an encrypted one is a RuntimeError."""
_KINDS: Final = frozenset({Kind.FILE, Kind.HARDLINK, Kind.SYMLINK, Kind.DIRECTORY})


class CondaArchive:
    """A package file; each pass opens it and reads it from the start.

    ``filename`` says the form, ``size`` is the file's in bytes. ``where`` names it in errors.
    """

    def __init__(
        self, opened: Callable[[], IO[bytes]], *, filename: str, where: str, size: int
    ) -> None:
        self._opened = opened
        self._dotted = filename.endswith(".conda")
        self._limit = max(_GENEROUS, _RATIO * size)
        self.where = where
        if not self._dotted and not filename.endswith(".tar.bz2"):
            raise IntegrityError(
                f"expected a .conda or .tar.bz2 file, got {filename!r}", where=where
            )

    def info(self, enough: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
        """The files of info/, up to where they are ``enough``; paths begin with ``info/``."""
        found: dict[str, bytes] = {}
        total = 0
        with self._tar("info") as members:
            for entry in members:
                if entry.kind is Kind.FILE and entry.path.startswith(INFO):
                    total += entry.size
                    if total > _LARGEST_INFO:
                        raise unsafe(entry.path, "is larger than any honest one", where=self.where)
                    found[entry.path] = b"".join(entry.content)
                    if enough(found):
                        break
        return found

    def members(self) -> Iterator[Entry]:
        """The members outside info/ in archive order, each path once, contents read once."""
        seen: set[str] = set()
        total = 0
        with self._tar("pkg") as members:
            for number, entry in enumerate(members):
                if number >= _MOST_MEMBERS:
                    raise unsafe(entry.path, "comes after too many others", where=self.where)
                if not entry.path or entry.path.startswith(INFO):
                    continue
                if entry.kind not in _KINDS:
                    raise unsafe(entry.path, "is neither a file nor a link", where=self.where)
                if entry.kind is Kind.DIRECTORY:
                    continue
                if entry.path in seen:
                    raise unsafe(entry.path, "is there twice", where=self.where)
                seen.add(entry.path)
                total += entry.size
                if total > self._limit:
                    raise unsafe(entry.path, f"makes it unpack to {total} bytes", where=self.where)
                yield entry

    def content(self, path: str) -> Iterator[bytes]:
        """The content of one file, found by reading from the start; IntegrityError if not there."""
        for entry in self.members():
            if entry.path == path and entry.kind is Kind.FILE:
                yield from entry.content
                return
        raise broken(f"has no file {path!r} that a hard link of it needs", self.where)

    def link(self, path: str) -> str:
        """Where a link leads, found by reading from the start; IntegrityError if it is none."""
        for entry in self.members():
            if entry.path == path and entry.kind is Kind.SYMLINK:
                return entry.link
        raise broken(f"lists the link {path!r} and has it not", self.where)

    @contextmanager
    def _tar(self, part: str) -> Iterator[Iterator[Entry]]:
        try:
            with self._opened() as file, self._stream(file, part) as stream:
                yield read_tar(stream, where=self.where, path=_inside)
        except IntegrityError:
            raise
        except _DAMAGED as error:
            raise broken(f"not a readable package: {error}", self.where) from error

    @contextmanager
    def _stream(self, file: IO[bytes], part: str) -> Iterator[Readable]:
        if not self._dotted:
            with bz2.BZ2File(file) as plain:
                yield plain
            return
        import zstandard

        squeezed = zstandard.ZstdDecompressor()
        try:
            with (
                zipfile.ZipFile(file) as archive,
                archive.open(self._member(archive, part)) as packed,
                squeezed.stream_reader(packed, read_across_frames=True) as reader,
            ):
                yield cast("Readable", reader)
        except zstandard.ZstdError as error:
            raise broken(f"not a readable package: {error}", self.where) from error

    def _member(self, archive: zipfile.ZipFile, part: str) -> str:
        names = [name for name in archive.namelist() if name.startswith(f"{part}-")]
        if len(names) != 1 or not names[0].endswith(".tar.zst"):
            raise broken(f"expected one {part}-….tar.zst, found {len(names)}", self.where)
        return names[0]


def _inside(name: str, *, where: str) -> str:
    """A member's path; an absolute one has no honest reading here."""
    if name.startswith("/"):
        raise unsafe(name, "is not a relative path", where=where)
    return safe_path(name, where=where)
