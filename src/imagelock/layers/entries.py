"""One file of a layer as a value, and the rules for its path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from imagelock.model.errors import IntegrityError

EARLIEST: Final = 315_532_800
"""1980-01-01T00:00:00Z: the time of what has no time of its own, the earliest a zip can hold."""

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
"""Names that remove what lies below (OCI image-spec, layer.md, Whiteouts)."""

_LONGEST_PATH: Final = 4096
_GENEROUS: Final = 1 << 30
_RATIO: Final = 300


class Kind(Enum):
    """Types of a tar member, by their typeflag (POSIX pax interchange format, ustar)."""

    FILE = b"0"
    HARDLINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member of a tar.

    ``path`` is relative to the root, without ``.``, ``..`` or a slash at either end; ``mtime``
    in seconds since 1970; ``content`` gives exactly ``size`` bytes and is read once; ``link`` is
    a symlink's text or the path of a hard link's target; ``xattrs`` are sorted pairs.
    """

    path: str
    kind: Kind = Kind.FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = EARLIEST
    size: int = 0
    content: Iterable[bytes] = ()
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()


def sort_key(path: str) -> bytes:
    """Paths sort by their bytes, whatever the locale."""
    return path.encode("utf-8", "surrogateescape")


def parents(path: str) -> list[str]:
    """The folders above a path, outermost first: ``a/b/c`` gives ``a`` and ``a/b``."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def safe_path(name: str, *, where: str) -> str:
    """A member's name as a path inside the root; empty for the root itself.

    A leading ``./`` or ``/`` is how tar writers spell the root (dpkg and docker do). IntegrityError
    for ``..``, NUL and names no file system takes.
    """
    if "\0" in name or len(name) > _LONGEST_PATH:
        raise unsafe(name, "is not a file name", where=where)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise unsafe(name, "leads out of its folder", where=where)
    return "/".join(parts)


def relative_path(name: str, *, where: str) -> str:
    """As :func:`safe_path` for archives where an absolute name has no honest reading (zip)."""
    if name.startswith("/") or "\\" in name or (len(name) > 1 and name[1] == ":"):
        raise unsafe(name, "is not a relative path", where=where)
    path = safe_path(name, where=where)
    if not path:
        raise unsafe(name, "names no file", where=where)
    return path


def is_bomb(unpacked: int, packed: int) -> bool:
    """Whether an archive unpacks to more bytes than any honest one (deflate's limit is 1032)."""
    return unpacked > max(_GENEROUS, _RATIO * packed)


def unsafe(name: str, problem: str, *, where: str) -> IntegrityError:
    """The error for an archive made to write where it must not."""
    return IntegrityError(
        f"unsafe archive: the member {name[:200]!r} {problem}",
        where=where,
        hint="do not use this file; report it to whoever published it",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The members of a layer in their final order, and the newest time its artifacts know.

    ``epoch`` is in seconds since 1970; no member is newer. ``entries`` are read once.
    """

    entries: Iterable[Entry]
    epoch: int


_STANDARD_MODES: Final = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
"""Folders of every distribution that are not 0755: a layer must not reset them."""


def with_parents(entries: Iterable[Entry], *, mtime: int = EARLIEST) -> Iterator[Entry]:
    """Put each missing parent folder (root's, 0755 or standard) before its first member."""
    seen: set[str] = set()
    for entry in entries:
        for folder in parents(entry.path):
            if folder not in seen:
                seen.add(folder)
                mode = _STANDARD_MODES.get(folder, 0o755)
                yield Entry(path=folder, kind=Kind.DIRECTORY, mode=mode, mtime=mtime)
        if entry.kind is Kind.DIRECTORY:
            if entry.path in seen:
                continue
            seen.add(entry.path)
        yield entry
