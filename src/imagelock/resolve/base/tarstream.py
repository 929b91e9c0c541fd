"""A layer's tar as a stream of members: small memory, nothing trusted.

ustar, pax and GNU long names are read (POSIX.1-2017 pax, OCI image-spec layer.md); what is wrong
or unsafe is an IntegrityError that names the layer. Nothing is ever written to disk here.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import IO, Final, Protocol

from imagelock.model.errors import IntegrityError

_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_LARGEST_HEADER: Final = 1 << 20
_MOST_MEMBERS: Final = 10_000_000
_LARGEST_LAYER: Final = 1 << 38
_ZERO: Final = bytes(_BLOCK)
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Kind(Enum):
    """What a member is; devices and pipes are OTHER."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARD_LINK = "hard link"
    OTHER = "other"


_KINDS: Final = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMLINK,
    b"5": Kind.FOLDER,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry. ``path`` is relative, normalised and never leads out; ``""`` is the root.

    ``link`` is the target of a link as written; ``size`` counts the bytes of data that follow.
    """

    path: str
    kind: Kind
    mode: int
    size: int
    link: str


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class LayerReader:
    """Reads one layer: members in order, and after them the digest of the whole tar."""

    def __init__(self, file: IO[bytes], *, where: str) -> None:
        self.where = where
        self._file = _decompressed(file, where)
        self._digest = hashlib.sha256()
        self._buffer = b""
        self._at = 0
        self._total = 0
        self._left = 0

    def members(self) -> Iterator[Member]:
        """Every member; data that was not taken with :meth:`data` is skipped."""
        names: dict[str, str] = {}
        for _number in range(_MOST_MEMBERS):
            header = self._take(_BLOCK, may_end=True)
            if header in {b"", _ZERO}:
                return
            kind, size = self._typed(header)
            if kind in {b"L", b"K", b"x"}:
                names |= self._long_names(kind, size)
                continue
            if kind == b"g":
                self._small(size)
                continue
            member = self._member(header, kind, size, names)
            names = {}
            self._left = member.size
            padding = -member.size % _BLOCK
            yield member
            self._skip(self._left + padding)
            self._left = 0
        raise self._wrong(f"more than {_MOST_MEMBERS} members")

    def data(self) -> Iterator[bytes]:
        """The data of the member that :meth:`members` gave last, in pieces."""
        while self._left:
            piece = self._take(min(self._left, _CHUNK))
            self._left -= len(piece)
            yield piece

    def finish(self) -> str:
        """Read what is left; the digest of the uncompressed tar (its diff ID)."""
        self._buffer, self._at = b"", 0
        while self._fill():
            self._buffer = b""
        return "sha256:" + self._digest.hexdigest()

    def _typed(self, header: bytes) -> tuple[bytes, int]:
        """The type and size of a header, its checksum verified."""
        stored = _number(header[148:156])
        summed = sum(header) - sum(header[148:156]) + 8 * 0x20
        if stored != summed:
            raise self._wrong("a header with a wrong checksum")
        size = _number(header[124:136])
        if size is None or size < 0:
            raise self._wrong("a header with no size")
        return header[156:157], size

    def _member(self, header: bytes, kind: bytes, size: int, names: dict[str, str]) -> Member:
        if kind == b"S":
            self._skip_sparse_map(header)
        if "size" in names:
            if not names["size"].isdecimal():
                raise self._wrong("a pax header with no size")
            size = int(names["size"])
        known = _KINDS.get(kind, Kind.OTHER)
        if known not in {Kind.FILE, Kind.OTHER}:
            size = 0
        name = names.get("GNU.sparse.name") or names.get("path") or _ustar_name(header)
        if known is Kind.FILE and name.endswith("/"):
            known = Kind.FOLDER
        return Member(
            path=self._safe(name),
            kind=known,
            mode=_number(header[100:108]) or 0,
            size=size,
            link=names.get("linkpath") or _text(header[157:257]),
        )

    def _safe(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts or "\0" in name:
            raise self._wrong(f"a path that leads out of the layer: {name[:200]!r}")
        return "/".join(parts)

    def _long_names(self, kind: bytes, size: int) -> dict[str, str]:
        data = self._small(size)
        if kind == b"x":
            return self._pax(data)
        return {"path" if kind == b"L" else "linkpath": _text(data)}

    def _pax(self, data: bytes) -> dict[str, str]:
        """The records of a pax header: ``LENGTH KEY=VALUE`` and a line end, LENGTH of all of it."""
        found = {}
        while data:
            digits, space, _ = data[:32].partition(b" ")
            length = int(digits) if space and digits.isdigit() else 0
            record = data[len(digits) + 1 : length - 1]
            key, equals, value = record.partition(b"=")
            if not equals or data[length - 1 : length] != b"\n":
                raise self._wrong("a pax header that cannot be read")
            found[key.decode(errors="surrogateescape")] = value.decode(errors="surrogateescape")
            data = data[length:]
        return found

    def _skip_sparse_map(self, header: bytes) -> None:
        more = header[482:483] not in {b"\0", b""}
        while more:
            more = self._take(_BLOCK)[504:505] != b"\0"

    def _small(self, size: int) -> bytes:
        if size > _LARGEST_HEADER:
            raise self._wrong(f"a header of {size} bytes")
        return self._take(size + -size % _BLOCK)[:size]

    def _take(self, size: int, *, may_end: bool = False) -> bytes:
        end = self._at + size
        while len(self._buffer) < end:
            self._buffer = self._buffer[self._at :]
            self._at, end = 0, size
            if not self._fill():
                if may_end and not self._buffer:
                    return b""
                raise self._wrong("the tar ends in the middle of a member")
        piece = self._buffer[self._at : end]
        self._at = end
        return piece

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._take(min(size, max(len(self._buffer) - self._at, _BLOCK))))

    def _fill(self) -> bool:
        """Append one chunk to the buffer; False at the end."""
        try:
            chunk = self._file.read(_CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise self._wrong(f"it cannot be decompressed ({error})") from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise self._wrong(f"it cannot be decompressed ({error})") from None
        self._digest.update(chunk)
        self._total += len(chunk)
        if self._total > _LARGEST_LAYER:
            raise self._wrong(f"more than {_LARGEST_LAYER} bytes")
        self._buffer += chunk
        return bool(chunk)

    def _wrong(self, found: str) -> IntegrityError:
        return IntegrityError(
            f"expected a tar layer that can be read, found {found}",
            where=self.where,
            hint="the image is damaged or made to do harm: do not use it",
        )


def _decompressed(file: IO[bytes], where: str) -> _Readable:
    """By the first bytes, not by the media type: images in the wild mix them up."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if start.startswith(_ZSTD):
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            file, read_across_frames=True
        )
    if start and len(start) < 4:
        raise IntegrityError("expected a tar layer, found a few bytes", where=where)
    return file


def _number(field: bytes) -> int | None:
    """An octal field, or GNU's base 256; None when it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        return None


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="surrogateescape")


def _ustar_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name
