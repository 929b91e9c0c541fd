"""What a sandbox wrote, as the entries of a layer: the upper folder of its overlay.

An overlay's whiteouts (0:0 devices) and opaque folders become the names of OCI image-spec,
layer.md. What equals the layers below is left out, what the clock wrote as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagelock.build.oci.inside.normal import NORMALISERS
from imagelock.build.oci.inside.scrub import Scrub, scrub
from imagelock.build.oci.inside.unpack import OWNER
from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind, sort_key

_CHUNK = 1 << 18
_CAPABILITY = "security.capability"


@dataclass(slots=True)
class _Walk:
    upper: Path
    lower: Path
    epoch: int
    opaque: str
    single: bool
    links: dict[tuple[int, int], str] = field(default_factory=dict)


def changes(
    upper: Path, lower: Path, *, epoch: int, user: bool, single: bool = False
) -> Iterator[Entry]:
    """The entries, parents first, names in byte order; no member is newer than ``epoch``.

    With a ``single`` id, owners are those that unpacking noted; PermissionError where a note was
    lost, since the layer would be another than root's.
    """
    opaque = "user.overlay.opaque" if user else "trusted.overlay.opaque"
    yield from _folder("", _Walk(upper, lower, epoch, opaque, single), hidden=False)


def _folder(path: str, walk: _Walk, *, hidden: bool) -> Iterator[Entry]:
    """The changes below a folder; ``hidden``: nothing of the lower one shows through."""
    names = sorted((item.name for item in (walk.upper / path).iterdir()), key=sort_key)
    for name in names:
        inner = f"{path}/{name}" if path else name
        action = scrub(inner)
        if action is Scrub.DROP:
            continue
        status = (walk.upper / inner).lstat()
        below = None if hidden else _lower_status(walk.lower / inner)
        if _is_whiteout(status):
            if below is not None:
                yield _empty(f"{path}/{WHITEOUT}{name}".lstrip("/"), walk)
        elif stat.S_ISDIR(status.st_mode):
            yield from _subfolder(inner, status, below, walk)
        elif not stat.S_ISSOCK(status.st_mode):
            yield from _leaf(inner, status, below, walk, empty=action is Scrub.EMPTY)


def _subfolder(
    path: str, status: os.stat_result, below: os.stat_result | None, walk: _Walk
) -> Iterator[Entry]:
    opaque = _attribute(walk.upper / path, walk.opaque) == b"y"
    merged = below is not None and stat.S_ISDIR(below.st_mode)
    entry = _entry(path, status, walk)
    inner = _folder(path, walk, hidden=opaque or not merged)
    if merged and not opaque and below is not None and _same_owner(path, status, below, walk):
        first = next(inner, None)
        if first is None:
            return
        yield entry
        yield first
    else:
        yield entry
        if opaque and merged:
            yield _empty(f"{path}/{OPAQUE}", walk)
    yield from inner


def _leaf(
    path: str, status: os.stat_result, below: os.stat_result | None, walk: _Walk, *, empty: bool
) -> Iterator[Entry]:
    if empty:
        if below is None:
            yield _empty(path, walk)
        return
    if below is not None and _unchanged(path, status, below, walk):
        return
    identity = (status.st_dev, status.st_ino)
    if status.st_nlink > 1:
        first = walk.links.setdefault(identity, path)
        if first != path:
            yield Entry(
                path=path,
                kind=Kind.HARDLINK,
                mode=stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
                mtime=min(int(status.st_mtime), walk.epoch),
                link=first,
            )
            return
    yield _entry(path, status, walk)


def _entry(path: str, status: os.stat_result, walk: _Walk) -> Entry:
    place = walk.upper / path
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        kind, link = Kind.SYMLINK, _link(place)
    elif stat.S_ISDIR(mode):
        kind, link = Kind.DIRECTORY, ""
    elif stat.S_ISFIFO(mode):
        kind, link = Kind.FIFO, ""
    elif stat.S_ISCHR(mode):
        kind, link = Kind.CHARACTER, ""
    elif stat.S_ISBLK(mode):
        kind, link = Kind.BLOCK, ""
    else:
        kind, link = Kind.FILE, ""
    capability = _attribute(place, _CAPABILITY) if kind is Kind.FILE else None
    uid, gid = _true_owner(path, status, walk) if walk.single else _owner(status)
    device = status.st_rdev
    return Entry(
        path=path,
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        mtime=max(0, min(int(status.st_mtime), walk.epoch)),
        size=status.st_size if kind is Kind.FILE else 0,
        content=_content(path, place, walk.epoch),
        link=link,
        device=(os.major(device), os.minor(device)),
        xattrs=((_CAPABILITY, capability),) if capability else (),
    )


def _empty(path: str, walk: _Walk) -> Entry:
    return Entry(path=path, mode=0o644 if WHITEOUT not in path else 0, mtime=walk.epoch)


def _unchanged(path: str, status: os.stat_result, below: os.stat_result, walk: _Walk) -> bool:
    same_kind = stat.S_IFMT(status.st_mode) == stat.S_IFMT(below.st_mode)
    if not same_kind or status.st_size != below.st_size:
        return False
    upper, lower = walk.upper / path, walk.lower / path
    if stat.S_ISLNK(status.st_mode):
        return _owner(status) == _owner(below) and _link(upper) == _link(lower)
    if not _same_owner(path, status, below, walk) or not stat.S_ISREG(status.st_mode):
        return False
    if _attribute(upper, _CAPABILITY) != _attribute(lower, _CAPABILITY):
        return False
    with upper.open("rb") as one, lower.open("rb") as other:
        while chunk := one.read(_CHUNK):
            if chunk != other.read(_CHUNK):
                return False
    return True


def _link(path: Path) -> str:
    return os.readlink(path)  # noqa: PTH115 — a Path would change the text


def _same_owner(path: str, status: os.stat_result, below: os.stat_result, walk: _Walk) -> bool:
    if walk.single and _attribute(walk.upper / path, OWNER) != _attribute(walk.lower / path, OWNER):
        return False
    return _owner(status) == _owner(below) and status.st_mode == below.st_mode


def _owner(status: os.stat_result) -> tuple[int, int]:
    return (status.st_uid, status.st_gid)


def _true_owner(path: str, status: os.stat_result, walk: _Walk) -> tuple[int, int]:
    noted = _attribute(walk.upper / path, OWNER)
    if noted is None:
        if _attribute(walk.lower / path, OWNER) is not None:
            raise PermissionError(1, f"the owner of /{path} was lost: one id cannot keep it")
        folder = (walk.upper / path).parent
        if folder.lstat().st_mode & stat.S_ISGID and _attribute(folder, OWNER) is not None:
            raise PermissionError(1, f"/{path} has its folder's group: one id cannot give it")
        return _owner(status)
    uid, _, gid = noted.decode().partition(":")
    return (int(uid), int(gid))


def _lower_status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


def _content(path: str, place: Path, epoch: int) -> Iterator[bytes]:
    normalise = NORMALISERS.get(path)
    if normalise is not None:
        yield normalise(place.read_bytes(), epoch)
        return
    with place.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
