"""Our own tar reader: streaming, strict, and the same for .debs and image layers.

Reads ustar, GNU (long names, base-256 numbers) and pax. What no honest writer makes is an
IntegrityError: a wrong checksum, a truncated member, a size below zero, sparse files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from imagelock.layers.entries import Entry, Kind, safe_path, unsafe
from imagelock.layers.tar import BLOCK
from imagelock.model.errors import IntegrityError

_CHUNK: Final = 1 << 18
_LARGEST_META: Final = 1 << 20
_LARGEST_MEMBER: Final = 1 << 40
_XATTR: Final = "SCHILY.xattr."


class Readable(Protocol):
    """What gives bytes: at most so many, none at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, perhaps fewer than asked; empty at the end."""
        ...


class PathRule(Protocol):
    """What makes a path inside the root of a member's name; IntegrityError for an unsafe one."""

    def __call__(self, name: str, /, *, where: str) -> str:
        """The path, empty for the root itself."""
        ...


@dataclass(slots=True)
class _Pending:
    """What headers before a member say about it."""

    records: dict[str, bytes] = field(default_factory=dict)
    long_name: bytes | None = None
    long_link: bytes | None = None


class _Source:
    """A stream that knows where the current member ends."""

    def __init__(self, stream: Readable | IO[bytes], where: str, path: PathRule) -> None:
        self._stream = stream
        self.where = where
        self.path = path
        self.left = 0
        self.padding = 0

    def exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            parts = [data]
            missing = size - len(data)
            while missing:
                more = self._stream.read(missing)
                if not more:
                    raise broken("the archive is cut short", self.where)
                parts.append(more)
                missing -= len(more)
            data = b"".join(parts)
        return data

    def content(self) -> Iterator[bytes]:
        while self.left:
            chunk = self._stream.read(min(self.left, _CHUNK))
            if not chunk:
                raise broken("the archive is cut short", self.where)
            self.left -= len(chunk)
            yield chunk

    def skip(self) -> None:
        for _ in self.content():
            pass
        if self.padding:
            self.exactly(self.padding)
            self.padding = 0


def read_tar(
    stream: Readable | IO[bytes], *, where: str, path: PathRule = safe_path
) -> Iterator[Entry]:
    """The members in order, the root folder too (with an empty path).

    An entry's content must be read before the next entry is asked for; what is left is skipped.
    ``path`` says what a member's name means inside the root.
    """
    source = _Source(stream, where, path)
    pending = _Pending()
    while True:
        header = source.exactly(BLOCK)
        if not any(header):
            return
        _checked(header, where)
        size = _number(header[124:136], where)
        kind = header[156:157]
        if kind in b"xLKg":
            if size > _LARGEST_META:
                raise broken("a header is larger than any honest one", where)
            data = source.exactly(size + (-size % BLOCK))[:size]
            _remember(pending, kind, data, where)
            continue
        entry = _entry(header, pending, size, source)
        pending = _Pending()
        yield entry
        source.skip()


def _remember(pending: _Pending, kind: bytes, data: bytes, where: str) -> None:
    if kind == b"L":
        pending.long_name = data.rstrip(b"\0")
    elif kind == b"K":
        pending.long_link = data.rstrip(b"\0")
    elif kind == b"x":
        pending.records.update(_records(data, where))


def _entry(header: bytes, pending: _Pending, size: int, source: _Source) -> Entry:
    where = source.where
    records = pending.records
    name = records.get("path") or pending.long_name or _name(header)
    link = records.get("linkpath") or pending.long_link or header[157:257].split(b"\0")[0]
    flag = header[156:157]
    text = name.decode("utf-8", "surrogateescape")
    kind = _kind(flag, name, text, where)
    if any(key.startswith("GNU.sparse.") for key in records):
        raise unsafe(text, "is a sparse file, which is not supported", where=where)
    size = _decimal(records, "size", size, where)
    if size > _LARGEST_MEMBER:
        raise broken(f"{text!r} claims {size} bytes", where)
    source.left = size if kind is Kind.FILE else 0
    source.padding = -size % BLOCK if kind is Kind.FILE else 0
    return Entry(
        path=source.path(text, where=where),
        kind=kind,
        mode=_number(header[100:108], where) & 0o7777,
        uid=_decimal(records, "uid", _number(header[108:116], where), where),
        gid=_decimal(records, "gid", _number(header[116:124], where), where),
        mtime=_decimal(records, "mtime", _number(header[136:148], where), where),
        size=source.left,
        content=source.content(),
        link=link.decode("utf-8", "surrogateescape"),
        device=_device(header, kind, where),
        xattrs=_xattrs(records) if records else (),
    )


def _kind(flag: bytes, name: bytes, text: str, where: str) -> Kind:
    if flag in {b"\0", b"7", b"0"}:
        return Kind.DIRECTORY if flag == b"\0" and name.endswith(b"/") else Kind.FILE
    try:
        return Kind(flag)
    except ValueError:
        raise unsafe(text, f"is of the unknown type {flag!r}", where=where) from None


def _device(header: bytes, kind: Kind, where: str) -> tuple[int, int]:
    if kind not in {Kind.CHARACTER, Kind.BLOCK}:
        return (0, 0)
    return (_number(header[329:337], where), _number(header[337:345], where))


def _xattrs(records: dict[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    found = ((key, value) for key, value in records.items() if key.startswith(_XATTR))
    return tuple(sorted((key.removeprefix(_XATTR), value) for key, value in found))


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _checked(header: bytes, where: str) -> None:
    if _number(header[148:156], where) != sum(header[:148]) + 256 + sum(header[156:]):
        raise broken("a header has a wrong checksum", where)


def _number(data: bytes, where: str) -> int:
    """Octal digits, or base 256 when the first bit is set (GNU)."""
    if data[0] & 0x80:
        value = int.from_bytes(data, "big") & ((1 << (8 * len(data) - 1)) - 1)
        if data[0] & 0x40:
            raise broken("a number is below zero", where)
        return value
    digits = data.split(b"\0")[0].strip()
    try:
        value = int(digits or b"0", 8)
    except ValueError:
        raise broken(f"expected octal digits, got {digits!r}", where) from None
    if value < 0:
        raise broken("a number is below zero", where)
    return value


def _decimal(records: dict[str, bytes], key: str, default: int, where: str) -> int:
    data = records.get(key)
    if not data:
        return default
    try:
        value = int(data.split(b".")[0])
    except ValueError:
        raise broken(f"expected a number for {key}, got {data[:40]!r}", where) from None
    if value < 0:
        if key == "mtime":
            return 0
        raise broken(f"{key} is below zero", where)
    return value


def _records(data: bytes, where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while data:
        digits, space, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not space or not equals or not value.endswith(b"\n") or length > len(data):
            raise broken("a pax record is malformed", where)
        found[key.decode("utf-8", "surrogateescape")] = value[:-1]
        data = data[length:]
    return found


def broken(problem: str, where: str) -> IntegrityError:
    """The error for an archive that is damaged or was never one."""
    return IntegrityError(
        problem, where=where, hint="the file is damaged at its source: do not use it"
    )
