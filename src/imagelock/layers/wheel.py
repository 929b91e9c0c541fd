"""A wheel as entries of a layer (the binary distribution format, PEP 427 and its successors).

Read from the zip without a file system; every file is checked against RECORD on its way. What is
unlisted, missing, doubled, linked or leads out of the wheel is an IntegrityError.
"""

from __future__ import annotations

import calendar
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from imagelock.layers.entries import EARLIEST, Entry, Kind, is_bomb, relative_path, unsafe
from imagelock.layers.record import RecordLine, checked, line_of, read_record, write_record
from imagelock.layers.scheme import Scheme
from imagelock.layers.scripts import entry_point_scripts, fixed_shebang
from imagelock.layers.zipped import member_chunks
from imagelock.model.errors import IntegrityError
from imagelock.model.names import PipName, pip_name

INSTALLER: Final = b"imagelock\n"

_TAG: Final = re.compile(r"\w+-\w+-\w+", re.ASCII)
_SIGNATURES: Final = ("RECORD.jws", "RECORD.p7s")
"""They sign the wheel's RECORD, which is not the installed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A file to install: its target and how to read it."""

    path: str
    size: int
    mode: int
    mtime: int
    record: RecordLine
    content: Callable[[], Iterable[bytes]]


class Wheel:
    """An open wheel whose directory and RECORD were read and agree."""

    def __init__(self, file: IO[bytes], *, name: PipName, where: str, archive_size: int) -> None:
        self.where = where
        self.name = name
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
            self._members = self._checked_members(archive_size)
            self._info = self._dist_info()
            self._lines = read_record(self._small(f"{self._info}/RECORD"), where=where)
            self._check_wheel()
        except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, zlib.error) as error:
            raise IntegrityError(f"not a readable wheel: {error}", where=where) from error
        self._check_listed()

    @property
    def epoch(self) -> int:
        """The newest time of a member, its zone-less zip time read as UTC."""
        return max((_time_of(info) for info in self._members.values()), default=EARLIEST)

    @property
    def filename(self) -> str:
        """The file name that fits what is in it: its folder's, with the tags of WHEEL as sets."""
        listed = [tag for key, tag in self._fields() if key == "Tag"]
        if not listed or not all(map(_TAG.fullmatch, listed)):
            raise IntegrityError("its WHEEL names no tags, or malformed ones", where=self.where)
        sets = (
            ".".join(dict.fromkeys(parts))
            for parts in zip(*(t.split("-") for t in listed), strict=True)
        )
        return "-".join([self._info.removesuffix(".dist-info"), *sets]) + ".whl"

    def entries(self, scheme: Scheme, *, requested: bool) -> Iterator[Entry]:
        """The files to install, in no order; contents are checked while they are read."""
        installed = [*self._from_archive(scheme), *self._generated(scheme, requested=requested)]
        for member in installed:
            yield _as_entry(member)
        own = f"{self._info}/RECORD"
        data = write_record((member.record for member in installed), own)
        yield _as_entry(self._made(f"{scheme.site_packages}/{own}", data, scheme))

    def _checked_members(self, archive_size: int) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for info in self._zip.infolist():
            path = relative_path(info.filename.rstrip("/") or "/", where=self.where)
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG}:
                raise unsafe(info.filename, "is not a regular file", where=self.where)
            if info.flag_bits & 0x1:
                raise unsafe(info.filename, "is encrypted", where=self.where)
            if path in members:
                raise unsafe(info.filename, "is there twice", where=self.where)
            members[path] = info
            total += info.file_size
        if is_bomb(total, archive_size):
            raise unsafe(self._zip.filename or "*", f"unpacks to {total} bytes", where=self.where)
        for path in members:
            if any(folder in members for folder in _folders(path)):
                raise unsafe(path, "lies below a file", where=self.where)
        return members

    def _dist_info(self) -> str:
        found = {path.partition("/")[0] for path in self._members if ".dist-info/" in path}
        names = sorted(name for name in found if name.endswith(".dist-info"))
        if len(names) != 1:
            raise IntegrityError(
                f"expected one .dist-info folder, found {len(names)}", where=self.where
            )
        if pip_name(_project(names[0])) != self.name:
            raise IntegrityError(
                f"expected a wheel of '{self.name}', found '{names[0]}'", where=self.where
            )
        return names[0]

    def _check_wheel(self) -> None:
        version = dict(self._fields()).get("Wheel-Version", "")
        if version.partition(".")[0] != "1":
            raise IntegrityError(
                f"expected Wheel-Version 1.x, got '{version[:20]}'", where=self.where
            )

    def _fields(self) -> list[tuple[str, str]]:
        """The pairs of WHEEL."""
        text = self._small(f"{self._info}/WHEEL").decode("utf-8", "replace")
        pairs = (line.partition(":")[::2] for line in text.splitlines() if ":" in line)
        return [(key, value.strip()) for key, value in pairs]

    def _check_listed(self) -> None:
        exempt = {f"{self._info}/{name}" for name in ("RECORD", *_SIGNATURES)}
        listed = set(self._lines) - exempt
        present = set(self._members) - exempt
        if missing := sorted(listed - present):
            raise IntegrityError(
                f"RECORD lists {missing[0]!r}, the archive has no such file", where=self.where
            )
        if unlisted := sorted(present - listed):
            raise IntegrityError(f"{unlisted[0]!r} is not listed in RECORD", where=self.where)

    def _from_archive(self, scheme: Scheme) -> Iterator[_Member]:
        skipped = {f"{self._info}/{name}" for name in ("RECORD", "INSTALLER", *_SIGNATURES)}
        skipped.add(f"{self._info}/REQUESTED")
        for path, info in self._members.items():
            if path in skipped:
                continue
            target, is_script = self._target(path, scheme)
            line = self._lines[path]
            mode = 0o755 if is_script or (info.external_attr >> 16) & 0o111 else 0o644
            if is_script and self._head(path).startswith(b"#!python"):
                original = b"".join(checked(self._read(info), line, info.file_size, where=path))
                yield self._made(
                    target,
                    fixed_shebang(original, scheme.interpreter),
                    scheme,
                    mode=mode,
                    mtime=_time_of(info),
                )
                continue
            yield _Member(
                path=target,
                size=info.file_size,
                mode=mode,
                mtime=_time_of(info),
                record=RecordLine(
                    path=_relative(target, scheme), digest=line.digest, size=info.file_size
                ),
                content=_lazily(self._read, info, line, self.where),
            )

    def _generated(self, scheme: Scheme, *, requested: bool) -> Iterator[_Member]:
        path = f"{self._info}/entry_points.txt"
        if path in self._members:
            text = self._small(path).decode("utf-8", "replace")
            for name, script in entry_point_scripts(text, scheme.interpreter, where=self.where):
                yield self._made(f"{scheme.scripts}/{name}", script, scheme, mode=0o755)
        folder = f"{scheme.site_packages}/{self._info}"
        yield self._made(f"{folder}/INSTALLER", INSTALLER, scheme)
        if requested:
            yield self._made(f"{folder}/REQUESTED", b"", scheme)

    def _target(self, path: str, scheme: Scheme) -> tuple[str, bool]:
        """Where a file goes, and whether it is a script."""
        top, _, rest = path.partition("/")
        if not top.endswith(".data") or top != self._info.removesuffix(".dist-info") + ".data":
            return f"{scheme.site_packages}/{path}", False
        category, _, inner = rest.partition("/")
        folders = {
            "purelib": scheme.site_packages,
            "platlib": scheme.site_packages,
            "scripts": scheme.scripts,
            "data": scheme.prefix,
            "headers": f"{scheme.headers}/{_project(self._info)}",
        }
        if category not in folders or not inner:
            raise unsafe(path, "is in no known folder of .data", where=self.where)
        if category == "data" and inner.startswith("lib64/"):
            inner = "lib" + inner.removeprefix("lib64")  # lib64 is a link to it
        return f"{folders[category]}/{inner}".lstrip("/"), category == "scripts"

    def _made(
        self, path: str, data: bytes, scheme: Scheme, *, mode: int = 0o644, mtime: int | None = None
    ) -> _Member:
        return _Member(
            path=path,
            size=len(data),
            mode=mode,
            mtime=self.epoch if mtime is None else mtime,
            record=line_of(_relative(path, scheme), data),
            content=lambda: (data,),
        )

    def _small(self, path: str) -> bytes:
        info = self._members.get(path)
        if info is None:
            raise IntegrityError(f"the archive has no {path!r}", where=self.where)
        if info.file_size > 64 << 20:
            raise unsafe(path, "is larger than any honest one", where=self.where)
        return self._zip.read(info)

    def _head(self, path: str) -> bytes:
        with self._zip.open(self._members[path]) as file:
            return file.read(8)

    def _read(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        return member_chunks(self._zip, self._file, info, where=self.where)


def _lazily(
    read: Callable[[zipfile.ZipInfo], Iterator[bytes]],
    info: zipfile.ZipInfo,
    line: RecordLine,
    where: str,
) -> Callable[[], Iterable[bytes]]:
    return lambda: checked(read(info), line, info.file_size, where=where)


def _as_entry(member: _Member) -> Entry:
    return Entry(
        path=member.path,
        kind=Kind.FILE,
        mode=member.mode,
        mtime=member.mtime,
        size=member.size,
        content=member.content(),
    )


def _relative(path: str, scheme: Scheme) -> str:
    """A path as RECORD spells it: relative to site-packages, with ``..`` out of it."""
    inside = path.removeprefix(scheme.site_packages + "/")
    if inside != path:
        return inside
    lead = f"{scheme.prefix}/" if scheme.prefix else ""
    up = scheme.site_packages.removeprefix(lead).count("/") + 1
    return "../" * up + path.removeprefix(lead)


def _project(info: str) -> str:
    """The project's name in that of its .dist-info folder."""
    return info.removesuffix(".dist-info").rpartition("-")[0]


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _time_of(info: zipfile.ZipInfo) -> int:
    try:
        return max(EARLIEST, calendar.timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return EARLIEST
