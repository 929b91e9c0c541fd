"""A layer's tar into a folder of its own, as overlayfs wants it (OCI image-spec, layer.md).

Whiteouts become 0:0 devices and opaque folders an attribute. The folder starts empty and only
this program writes there, so a parent that is no folder of this layer is refused: no link is
ever followed.

Tens of thousands of small files go through here: a file costs four system calls, six when it is
another's, and paths are plain text.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from typing import IO, Final

from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind, parents, unsafe
from imagelock.layers.untar import read_tar

OWNER: Final = "user.imagelock.owner"
"""Where the single tier keeps ``uid:gid`` of what is not root's; overlays copy it up."""

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_SPECIAL: Final = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


@dataclass(slots=True)
class _Target:
    root: str
    user: bool
    single: bool
    where: str
    own: tuple[int, int]
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)


def unpack(stream: IO[bytes], root: str, *, user: bool, single: bool, where: str) -> None:
    """Unpack; ``user``: attributes of an unprivileged overlay, ``single``: keep no owners."""
    os.umask(0)  # modes are the archive's
    os.mkdir(root, 0o755)  # noqa: PTH102 — paths are text here
    # A set-group-ID bit of the store's folder would give its group to everything below.
    own = (os.geteuid(), os.getegid())
    os.chown(root, *own)
    os.chmod(root, 0o755)  # noqa: PTH101, S103 — as a root folder is
    target = _Target(root=root, user=user, single=single, where=where, own=own)
    for entry in read_tar(stream, where=where):
        _place(entry, target)
    # Deepest first: writing into a folder changes its time.
    for path in sorted(target.folders, reverse=True):
        mode, mtime = target.folders[path]
        folder = f"{root}/{path}"
        os.utime(folder, (mtime, mtime), follow_symlinks=False)
        os.chmod(folder, mode)  # noqa: PTH101


def _place(entry: Entry, target: _Target) -> None:
    path = entry.path
    if not path:
        if entry.kind is Kind.DIRECTORY:
            _own(target.root, entry, target, before=target.own)
            target.folders[""] = (entry.mode, entry.mtime)
        return
    above, _, name = path.rpartition("/")
    if above and target.kinds.get(above) is not Kind.DIRECTORY:
        _parents(entry, target)
    if name.startswith(WHITEOUT):
        _whiteout(path, name, target)
    elif entry.kind is Kind.DIRECTORY:
        _folder(entry, target)
    else:
        _clear(path, target)
        _write(entry, target)
        target.kinds[path] = entry.kind


def _parents(entry: Entry, target: _Target) -> None:
    """Make the folders that no member made; refuse what is no folder."""
    for folder in parents(entry.path):
        kind = target.kinds.get(folder)
        if kind is None:
            made = Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755, mtime=entry.mtime)
            _folder(made, target)
        elif kind is not Kind.DIRECTORY:
            raise unsafe(entry.path, "lies below what is no folder", where=target.where)


def _folder(entry: Entry, target: _Target) -> None:
    path = f"{target.root}/{entry.path}"
    before: tuple[int, int] | None = None
    if target.kinds.get(entry.path) is not Kind.DIRECTORY:
        _clear(entry.path, target)
        os.mkdir(path, 0o700)  # noqa: PTH102
        target.kinds[entry.path] = Kind.DIRECTORY
        before = target.own
    _own(path, entry, target, before=before)
    target.folders[entry.path] = (entry.mode, entry.mtime)


def _write(entry: Entry, target: _Target) -> None:
    path = f"{target.root}/{entry.path}"
    match entry.kind:
        case Kind.SYMLINK:
            os.symlink(entry.link, path)  # noqa: PTH211
            _own(path, entry, target, before=target.own)
            os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)
            return
        case Kind.HARDLINK:
            _hardlink(entry, target)
            return
        case Kind.FIFO:
            os.mkfifo(path, 0o600)
            _own(path, entry, target, before=target.own)
            os.chmod(path, entry.mode)  # noqa: PTH101
            os.utime(path, (entry.mtime, entry.mtime))
            return
        case _:
            # A device node of a layer is of no use without its driver, and unprivileged users
            # can make none: an empty file holds its place.
            _file(path, entry, target)


def _file(path: str, entry: Entry, target: _Target) -> None:
    file = os.open(path, _NEW, entry.mode)
    try:
        for chunk in entry.content:
            written = os.write(file, chunk)
            while written < len(chunk):
                written += os.write(file, memoryview(chunk)[written:])
        _own(file, entry, target, before=target.own)
        for name, value in entry.xattrs:
            if name == "security.capability" or name.startswith("user."):
                os.setxattr(file, name, value)
        if entry.mode & _SPECIAL:  # writing and a change of owner take these bits away
            os.fchmod(file, entry.mode)
        os.utime(file, (entry.mtime, entry.mtime))
    finally:
        os.close(file)


def _hardlink(entry: Entry, target: _Target) -> None:
    source = "/".join(part for part in entry.link.split("/") if part not in {"", "."})
    if target.kinds.get(source) in {None, Kind.DIRECTORY}:
        raise unsafe(entry.path, "is a hard link to no file of its layer", where=target.where)
    os.link(f"{target.root}/{source}", f"{target.root}/{entry.path}", follow_symlinks=False)


def _whiteout(path: str, name: str, target: _Target) -> None:
    folder = path.rpartition("/")[0]
    if name == OPAQUE:
        attribute = "user.overlay.opaque" if target.user else "trusted.overlay.opaque"
        os.setxattr(f"{target.root}/{folder}", attribute, b"y")
        return
    bare = name.removeprefix(WHITEOUT)
    if bare in {"", ".", ".."}:
        raise unsafe(path, "is a whiteout of no file", where=target.where)
    hidden = f"{folder}/{bare}".lstrip("/")
    if hidden not in target.kinds:
        os.mknod(f"{target.root}/{hidden}", stat.S_IFCHR | 0o600, os.makedev(0, 0))
        target.kinds[hidden] = Kind.CHARACTER


def _clear(path: str, target: _Target) -> None:
    """A later member takes the place of an earlier one."""
    before = target.kinds.pop(path, None)
    if before is None:
        return
    place = f"{target.root}/{path}"
    if before is Kind.DIRECTORY:
        shutil.rmtree(place)
        inside = path + "/"
        for known in [known for known in target.kinds if known.startswith(inside)]:
            del target.kinds[known]
        for known in [path, *(known for known in target.folders if known.startswith(inside))]:
            target.folders.pop(known, None)
    else:
        os.unlink(place)  # noqa: PTH108


def _own(
    place: str | int, entry: Entry, target: _Target, *, before: tuple[int, int] | None
) -> None:
    """Give a path or an open file its owner; ``before``: the one it has, if that is known."""
    owner = (entry.uid, entry.gid)
    if owner == before:
        return
    if not target.single:
        if isinstance(place, int):
            os.fchown(place, *owner)
        else:
            os.chown(place, *owner, follow_symlinks=False)
    elif owner != (0, 0):
        if entry.kind in {Kind.SYMLINK, Kind.FIFO}:
            problem = f"{entry.path} belongs to {owner[0]}:{owner[1]}, which one id cannot keep"
            raise PermissionError(1, problem)
        os.setxattr(place, OWNER, b"%d:%d" % owner)
