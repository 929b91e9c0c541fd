"""A source as entries: an sdist without the folder at its top, or a tree as it is."""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from imagelock.layers.entries import EARLIEST, Entry, Kind, relative_path, unsafe
from imagelock.layers.untar import read_tar
from imagelock.model.errors import IntegrityError

_OPENERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}
_DAMAGED: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_MOST: Final = 1 << 32
"""Bytes that a source may unpack to."""


@contextmanager
def source_entries(path: Path, filename: str, *, tree: bool) -> Iterator[Iterator[Entry]]:
    """The members of a source, root's, with standard modes and their times.

    ``tree``: ``path`` is a plain tar without a folder at its top. IntegrityError for an archive
    that is damaged, made to write elsewhere, or no kind that sdists are (PEP 625 and before).
    """
    if filename.endswith(".zip") and not tree:
        with path.open("rb") as file:
            yield _bounded(_in_zip(file, filename), filename)
        return
    ending = next((ending for ending in _OPENERS if filename.endswith(ending)), None)
    if ending is None and not tree:
        raise IntegrityError("expected an sdist as .tar.gz or .zip", where=filename)
    with path.open("rb") if tree else _OPENERS[str(ending)](path) as stream:
        members = _in_tar(stream, filename)
        yield _bounded(members if tree else _below_top(members, filename), filename)


def _in_tar(stream: IO[bytes], filename: str) -> Iterator[Entry]:
    try:
        yield from read_tar(stream, where=filename)
    except _DAMAGED as error:
        raise IntegrityError(f"the archive is damaged: {error}", where=filename) from error


def _in_zip(file: IO[bytes], filename: str) -> Iterator[Entry]:
    def members() -> Iterator[Entry]:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                mode = 0o755 if (info.external_attr >> 16) & 0o100 else 0o644
                data = archive.read(info)
                yield Entry(
                    path=relative_path(info.filename, where=filename),
                    mode=mode,
                    mtime=calendar.timegm((*info.date_time, 0, 0, 0)),
                    size=len(data),
                    content=(data,),
                )

    try:
        yield from _below_top(members(), filename)
    except _DAMAGED as error:
        raise IntegrityError(f"the archive is damaged: {error}", where=filename) from error


def _below_top(members: Iterable[Entry], filename: str) -> Iterator[Entry]:
    """Without the one folder that all members are in (PEP 625)."""
    top = None
    for entry in members:
        first, _, rest = entry.path.partition("/")
        top = top or first
        if first and first != top:
            raise unsafe(entry.path, f"is not in the folder {top!r}", where=filename)
        link = entry.link
        if entry.kind is Kind.HARDLINK:
            link = link.removeprefix("./").partition("/")[2]
        if rest:
            yield replace(entry, path=rest, link=link)


def _bounded(members: Iterable[Entry], filename: str) -> Iterator[Entry]:
    total = 0
    for entry in members:
        total += entry.size
        if total > _MOST:
            raise unsafe(entry.path, f"makes it unpack to more than {_MOST} bytes", where=filename)
        if entry.kind not in {Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK}:
            raise unsafe(entry.path, "is neither file, folder nor link", where=filename)
        executable = entry.kind is not Kind.FILE or entry.mode & 0o100
        if entry.path:
            yield replace(
                entry,
                mode=0o755 if executable else 0o644,
                uid=0,
                gid=0,
                mtime=max(entry.mtime, EARLIEST),
                xattrs=(),
            )


def write_entries(entries: Iterable[Entry], root: Path) -> None:
    """Write entries below a folder; IntegrityError for one that would lie elsewhere."""
    base = root.resolve()
    for entry in entries:
        place = root / entry.path
        if not place.parent.resolve().is_relative_to(base):
            raise unsafe(entry.path, "leads out of its folder", where=str(root))
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is Kind.DIRECTORY:
            place.mkdir(exist_ok=True)
        elif entry.kind is Kind.SYMLINK:
            place.symlink_to(entry.link)
        elif entry.kind is Kind.HARDLINK:
            target = (root / entry.link).resolve()
            if not target.is_relative_to(base) or not target.is_file():
                raise unsafe(entry.path, "links out of its folder", where=str(root))
            place.write_bytes(target.read_bytes())
        else:
            with place.open("wb") as file:
                for chunk in entry.content:
                    file.write(chunk)
            place.chmod(entry.mode)
