"""A layer's tar into a folder of its own, as overlayfs wants it (OCI image-spec, layer.md).

Whiteouts become 0:0 devices and opaque folders an attribute. The folder starts empty and only
this program writes there, so a parent that is no folder of this layer is refused: no link is
ever followed.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind, parents, unsafe
from imagelock.layers.untar import read_tar

OWNER: Final = "user.imagelock.owner"
"""Where the single tier keeps ``uid:gid`` of what is not root's; overlays copy it up."""


@dataclass(slots=True)
class _Target:
    root: Path
    user: bool
    single: bool
    where: str
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)


def unpack(stream: IO[bytes], root: Path, *, user: bool, single: bool, where: str) -> None:
    """Unpack; ``user``: attributes of an unprivileged overlay, ``single``: keep no owners."""
    target = _Target(root=root, user=user, single=single, where=where)
    for entry in read_tar(stream, where=where):
        _place(entry, target)
    # Deepest first: writing into a folder changes its time.
    for path in sorted(target.folders, reverse=True):
        mode, mtime = target.folders[path]
        folder = root / path
        os.utime(folder, (mtime, mtime), follow_symlinks=False)
        folder.chmod(mode)


def _place(entry: Entry, target: _Target) -> None:
    if not entry.path:
        if entry.kind is Kind.DIRECTORY:
            _own(target.root, entry, target)
            target.folders[""] = (entry.mode, entry.mtime)
        return
    for folder in parents(entry.path):
        kind = target.kinds.get(folder)
        if kind is None:
            made = Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755, mtime=entry.mtime)
            _folder(made, target)
        elif kind is not Kind.DIRECTORY:
            raise unsafe(entry.path, "lies below what is no folder", where=target.where)
    name = entry.path.rpartition("/")[2]
    if name.startswith(WHITEOUT):
        _whiteout(entry.path, name, target)
        return
    if entry.kind is Kind.DIRECTORY:
        _folder(entry, target)
        return
    _clear(entry.path, target)
    _write(entry, target)
    target.kinds[entry.path] = entry.kind


def _folder(entry: Entry, target: _Target) -> None:
    path = target.root / entry.path
    if target.kinds.get(entry.path) is not Kind.DIRECTORY:
        _clear(entry.path, target)
        path.mkdir(0o700)
        target.kinds[entry.path] = Kind.DIRECTORY
    _own(path, entry, target)
    target.folders[entry.path] = (entry.mode, entry.mtime)


def _write(entry: Entry, target: _Target) -> None:
    path = target.root / entry.path
    match entry.kind:
        case Kind.FILE:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for chunk in entry.content:
                    file.write(chunk)
        case Kind.SYMLINK:
            path.symlink_to(entry.link)
        case Kind.HARDLINK:
            _hardlink(entry, target)
            return
        case Kind.FIFO:
            os.mkfifo(path, 0o600)
        case _:
            # A device node of a layer is of no use without its driver, and unprivileged users
            # can make none: an empty file holds its place.
            path.touch(0o600)
    _own(path, entry, target)
    for name, value in entry.xattrs:
        if name == "security.capability" or name.startswith("user."):
            os.setxattr(path, name, value, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        path.chmod(entry.mode)
    os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def _hardlink(entry: Entry, target: _Target) -> None:
    source = "/".join(part for part in entry.link.split("/") if part not in {"", "."})
    if target.kinds.get(source) in {None, Kind.DIRECTORY}:
        raise unsafe(entry.path, "is a hard link to no file of its layer", where=target.where)
    os.link(target.root / source, target.root / entry.path, follow_symlinks=False)


def _whiteout(path: str, name: str, target: _Target) -> None:
    folder = path.rpartition("/")[0]
    if name == OPAQUE:
        attribute = "user.overlay.opaque" if target.user else "trusted.overlay.opaque"
        os.setxattr(target.root / folder, attribute, b"y")
        return
    bare = name.removeprefix(WHITEOUT)
    if bare in {"", ".", ".."}:
        raise unsafe(path, "is a whiteout of no file", where=target.where)
    hidden = f"{folder}/{bare}".lstrip("/")
    if hidden not in target.kinds:
        os.mknod(target.root / hidden, stat.S_IFCHR | 0o600, os.makedev(0, 0))
        target.kinds[hidden] = Kind.CHARACTER


def _clear(path: str, target: _Target) -> None:
    """A later member takes the place of an earlier one."""
    before = target.kinds.pop(path, None)
    if before is None:
        return
    place = target.root / path
    if before is Kind.DIRECTORY:
        shutil.rmtree(place)
        inside = path + "/"
        for known in [known for known in target.kinds if known.startswith(inside)]:
            del target.kinds[known]
        for known in [path, *(known for known in target.folders if known.startswith(inside))]:
            target.folders.pop(known, None)
    else:
        place.unlink()


def _own(path: Path, entry: Entry, target: _Target) -> None:
    owner = (entry.uid, entry.gid)
    if not target.single:
        os.chown(path, *owner, follow_symlinks=False)
    elif owner != (0, 0):
        if entry.kind in {Kind.SYMLINK, Kind.FIFO}:
            problem = f"{entry.path} belongs to {owner[0]}:{owner[1]}, which one id cannot keep"
            raise PermissionError(1, problem)
        os.setxattr(path, OWNER, b"%d:%d" % owner)
