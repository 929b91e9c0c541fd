"""Our own tar writer (POSIX ustar, with pax records only where ustar cannot say it).

One entry gives the same bytes on every machine and Python: nothing is taken from the host.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from imagelock.layers.entries import Entry, Kind
from imagelock.model.errors import BuildError

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
"""Two zero blocks end an archive; it is not padded further."""

_LARGEST_ID: Final = 0o7777777
_LARGEST_SIZE: Final = 0o77777777777
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_NO_NAME: Final = b""
_WITH_DEVICE: Final = frozenset({Kind.CHARACTER, Kind.BLOCK})


def tar_chunks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of a whole archive; entries are written in the order given."""
    yield from tar_members(entries)
    yield END


def tar_members(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of members without the end, so that archives can be put together."""
    for entry in entries:
        yield entry_header(entry)
        if entry.kind is Kind.FILE and entry.size:
            yield from _exactly(entry)
            if padding := -entry.size % BLOCK:
                yield bytes(padding)


def entry_header(entry: Entry) -> bytes:
    """The header blocks of a member, a pax header before it where needed."""
    path = _encoded(entry.path) + (b"/" if entry.kind is Kind.DIRECTORY else b"")
    link = _encoded(entry.link)
    size = entry.size if entry.kind is Kind.FILE else 0
    records: dict[str, bytes] = {}
    prefix, name = _split(path)
    if name is None or not path.isascii():
        records["path"] = path
        prefix, name = b"", path[:100]
    if len(link) > 100 or not link.isascii():
        records["linkpath"] = link
    for field, value, largest in (
        ("uid", entry.uid, _LARGEST_ID),
        ("gid", entry.gid, _LARGEST_ID),
        ("size", size, _LARGEST_SIZE),
        ("mtime", entry.mtime, _LARGEST_SIZE),
    ):
        if not 0 <= value <= largest:
            records[field] = str(value).encode()
    for attribute, data in entry.xattrs:
        records[f"SCHILY.xattr.{attribute}"] = data
    main = _block(
        name=name,
        prefix=prefix,
        kind=entry.kind.value,
        mode=entry.mode & 0o7777,
        uid=entry.uid if entry.uid <= _LARGEST_ID else 0,
        gid=entry.gid if entry.gid <= _LARGEST_ID else 0,
        size=size if size <= _LARGEST_SIZE else 0,
        mtime=entry.mtime if 0 <= entry.mtime <= _LARGEST_SIZE else 0,
        link=link[:100],
        device=entry.device if entry.kind in _WITH_DEVICE else None,
    )
    return _pax_header(records) + main if records else main


def _pax_header(records: dict[str, bytes]) -> bytes:
    body = b"".join(_pax_record(key, records[key]) for key in sorted(records))
    header = _block(name=b"pax_header", kind=b"x", mode=0o644, size=len(body))
    return header + body + bytes(-len(body) % BLOCK)


def _pax_record(key: str, value: bytes) -> bytes:
    r"""``LENGTH KEY=VALUE\n``, the length counting its own digits."""
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _split(path: bytes) -> tuple[bytes, bytes | None]:
    """The ustar prefix and name; None as the name when it does not fit."""
    if len(path) <= 100:
        return b"", path
    # The name gets as much as fits, and a folder's own trailing slash is no place to split.
    cut = path.find(b"/", len(path) - 101, len(path) - 1)
    if 0 < cut <= 155:
        return path[:cut], path[cut + 1 :]
    return b"", None


def _block(
    *,
    name: bytes,
    kind: bytes,
    mode: int,
    size: int,
    prefix: bytes = _NO_NAME,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    link: bytes = _NO_NAME,
    device: tuple[int, int] | None = None,
) -> bytes:
    major, minor = (b"%07o\0" % number for number in device) if device else (b"", b"")
    block = bytearray(
        _HEADER.pack(
            name,
            b"%07o\0" % mode,
            b"%07o\0" % uid,
            b"%07o\0" % gid,
            b"%011o\0" % size,
            b"%011o\0" % mtime,
            b"        ",
            kind,
            link,
            b"ustar\0",
            b"00",
            b"",
            b"",
            major,
            minor,
            prefix,
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _exactly(entry: Entry) -> Iterator[bytes]:
    written = 0
    for chunk in entry.content:
        written += len(chunk)
        yield chunk
    if written != entry.size:
        raise BuildError(
            f"expected {entry.size} bytes of content, got {written}",
            where=entry.path,
            hint="the file changed while it was read: build again",
        )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
