"""Reading .deb files (deb(5)): an ar archive of debian-binary, control.tar and data.tar."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from imagelock.layers.entries import EARLIEST, Entry, Kind, is_bomb, unsafe
from imagelock.layers.untar import Readable, broken, read_tar
from imagelock.layers.xz import XzStreams
from imagelock.model.errors import IntegrityError
from imagelock.model.names import DebName, deb_name

_MAGIC: Final = b"!<arch>\n"
_LARGEST_CONTROL: Final = 64 << 20
_DAMAGED: Final = (lzma.LZMAError, EOFError, zlib.error, gzip.BadGzipFile, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebControl:
    """What a package says about itself.

    ``fields`` of its control file in their order (deb822, values with their continuation
    lines), and the other control members by name, each with its mode. ``epoch`` is when it was
    packed, in seconds since 1970: the newest time of its ar and control members.
    """

    fields: dict[str, str]
    members: dict[str, tuple[int, bytes]]
    epoch: int

    @property
    def name(self) -> DebName:
        """The package's name."""
        return deb_name(self.fields["Package"].strip())

    @property
    def architecture(self) -> str:
        """Its architecture, ``all`` included."""
        return self.fields["Architecture"].strip()

    @property
    def same(self) -> bool:
        """Whether packages of several architectures can be installed together."""
        return self.fields.get("Multi-Arch", "").strip() == "same"

    @property
    def info_name(self) -> str:
        """The stem of its files in /var/lib/dpkg/info."""
        return f"{self.name}:{self.architecture}" if self.same else self.name

    def text(self, member: str) -> str:
        """A control member as text, empty when absent."""
        return self.members.get(member, (0, b""))[1].decode("utf-8", "surrogateescape")

    def conffiles(self) -> tuple[str, ...]:
        """The absolute paths of its conffiles (Policy 10.7), without remove-on-upgrade ones."""
        lines = (line.strip() for line in self.text("conffiles").splitlines())
        return tuple(line for line in lines if line.startswith("/"))


class Deb:
    """An open .deb. Its parts are read in any order, each as a stream."""

    def __init__(self, file: IO[bytes], *, where: str) -> None:
        self._file = file
        self.where = where
        self._parts, self._newest = _ar_members(file, where)
        self._size = sum(size for _, size in self._parts.values())
        if next(iter(self._parts), "") != "debian-binary":
            raise broken("not a .deb: debian-binary is not its first member", where)
        if not self._part("debian-binary").read(16).startswith(b"2."):
            raise broken("not a .deb of format 2", where)

    def control(self) -> DebControl:
        """The control member. IntegrityError when it is not what deb-control(5) describes."""
        members: dict[str, tuple[int, bytes]] = {}
        total = 0
        epoch = max(EARLIEST, self._newest)
        for entry in self._tar("control.tar"):
            total += entry.size
            epoch = max(epoch, entry.mtime)
            if total > _LARGEST_CONTROL:
                raise unsafe(entry.path, "is larger than any honest one", where=self.where)
            if entry.kind is not Kind.FILE:
                if entry.kind is not Kind.DIRECTORY or entry.path:
                    raise unsafe(
                        entry.path, "is not a file in the control member", where=self.where
                    )
                continue
            if "/" in entry.path or entry.path in members or not entry.path.isprintable():
                raise unsafe(entry.path, "has no place in a control member", where=self.where)
            members[entry.path] = (entry.mode, b"".join(entry.content))
        _, text = members.pop("control", (0, b""))
        fields = read_stanza(text.decode("utf-8", "replace"), where=self.where)
        for needed in ("Package", "Version", "Architecture"):
            if needed not in fields:
                raise broken(f"the control file has no {needed} field", self.where)
        try:
            deb_name(fields["Package"].strip())
        except ValueError as error:
            raise broken(str(error), self.where) from None
        if not all(c.isalnum() or c == "-" for c in fields["Architecture"].strip()):
            raise broken("the Architecture field is malformed", self.where)
        return DebControl(fields=fields, members=members, epoch=epoch)

    def data_tar(self) -> Readable:
        """The bytes of the data member, decompressed."""
        return self._opened("data.tar")

    def data(self, tar: Readable | None = None) -> Iterator[Entry]:
        """The files of the package in archive order, safe to put below a root.

        ``tar`` gives what :meth:`data_tar` does, for who reads it elsewhere.
        """
        total = 0
        files: set[str] = set()
        for entry in self._tar("data.tar", tar):
            total += entry.size
            if is_bomb(total, self._size):
                raise unsafe(entry.path, f"makes it unpack to {total} bytes", where=self.where)
            if entry.path in files:
                raise unsafe(entry.path, "is there twice", where=self.where)
            if entry.kind is not Kind.DIRECTORY:
                files.add(entry.path)
            if entry.kind in {Kind.CHARACTER, Kind.BLOCK}:
                raise unsafe(entry.path, "is a device", where=self.where)
            if entry.xattrs:
                raise unsafe(entry.path, "has extended attributes", where=self.where)
            if not entry.path and entry.kind is not Kind.DIRECTORY:
                raise unsafe(".", "takes the place of the root", where=self.where)
            if "\n" in entry.path or entry.path.rpartition("/")[2].startswith(".wh."):
                raise unsafe(entry.path, "has a name with a meaning elsewhere", where=self.where)
            yield entry

    def _opened(self, stem: str) -> Readable:
        names = [name for name in self._parts if name == stem or name.startswith(stem + ".")]
        if len(names) != 1:
            raise broken(f"expected one {stem}, found {len(names)}", self.where)
        return _decompressed(self._part(names[0]), names[0].removeprefix(stem), self.where)

    def _tar(self, stem: str, stream: Readable | None = None) -> Iterator[Entry]:
        try:
            yield from read_tar(stream or self._opened(stem), where=self.where)
        except _DAMAGED as error:
            raise broken(f"{stem} cannot be read: {error}", self.where) from error
        except Exception as error:
            if type(error).__module__.startswith("zstandard"):
                raise broken(f"{stem} cannot be read: {error}", self.where) from error
            raise

    def _part(self, name: str) -> _Slice:
        offset, size = self._parts[name]
        return _Slice(self._file, offset, size)


class _Slice:
    """A part of a file as a readable of its own; reading seeks, so parts do not disturb."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._file.seek(self._offset)
        data = self._file.read(size)
        self._offset += len(data)
        self._left -= len(data)
        return data

    def readable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def _ar_members(file: IO[bytes], where: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Offset and size of each member, and the newest time (ar(5), without long names)."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise broken("not a .deb: no ar archive", where)
    members: dict[str, tuple[int, int]] = {}
    total = file.seek(0, 2)
    offset = len(_MAGIC)
    newest = 0
    while offset < total:
        file.seek(offset)
        header = file.read(60)
        size_text = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size_text.isdigit():
            raise broken("a member header of the .deb is malformed", where)
        name = header[:16].decode("ascii", "replace").rstrip().removesuffix("/")
        size = int(size_text)
        time_text = header[16:28].strip()
        newest = max(newest, int(time_text) if time_text.isdigit() else 0)
        offset += 60
        if name in members:
            raise broken(f"the .deb has {name!r} twice", where)
        if offset + size > total:
            raise broken("the .deb is cut short", where)
        members[name] = (offset, size)
        offset += size + size % 2
    return members, newest


def _decompressed(part: _Slice, suffix: str, where: str) -> Readable:
    raw: Any = part
    readable: Any
    match suffix:
        case "":
            readable = raw
        case ".gz":
            readable = gzip.GzipFile(fileobj=raw, mode="rb")
        case ".xz" | ".lzma":
            readable = XzStreams(raw)
        case ".bz2":
            readable = bz2.BZ2File(raw)
        case ".zst":
            import zstandard

            readable = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        case _:
            raise broken(f"the .deb is compressed as {suffix!r}, which is unknown", where)
    return readable  # type: ignore[no-any-return]


def read_stanza(text: str, *, where: str) -> dict[str, str]:
    """One deb822 paragraph (Policy 5.1): the fields in order, continuation lines kept."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.strip():
            if fields:
                break
            continue
        if line[0] in " \t":
            if not name:
                raise broken("a field continues that never began", where)
            fields[name] += "\n" + line
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or not name.isascii() or " " in name:
            raise broken(f"expected 'Field: value', got {line[:60]!r}", where)
        if name in fields:
            raise broken(f"the field {name} is there twice", where)
        # Spaces at the end stay: dpkg keeps them in its status.
        fields[name] = value.lstrip()
    return fields


def refuse_other(control: DebControl, *, name: str, version: str, where: str) -> None:
    """IntegrityError when a .deb is not the package the lock says."""
    found = (str(control.name), control.fields["Version"].strip())
    if found != (name, version):
        raise IntegrityError(
            f"expected {name} {version}, the .deb holds {found[0]} {found[1]}",
            where=where,
            hint="run `imagelock lock` again and review what changed",
        )
