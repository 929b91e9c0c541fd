"""A tree's seal: one hash over what changes with any write into it, without reading the files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable


def seal(root: str) -> str:
    """The hash over path, mode, owner, size, mtime and ctime of every member, in byte order.

    Nobody can set a ctime (inode(7)), so whoever writes to a file, replaces it or renames it
    changes the seal. That of the root folder itself is left out: its own rename changes it.
    """
    state = hashlib.sha256()
    status = os.lstat(root)
    state.update(b"%d %d %d\n" % (status.st_mode, status.st_uid, status.st_gid))
    _add(os.fsencode(root), b"", state.update)
    return state.hexdigest()


def _add(folder: bytes, inner: bytes, update: Callable[[bytes], object]) -> None:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        status = item.stat(follow_symlinks=False)
        path = inner + b"/" + item.name
        update(
            b"%s\0%d %d %d %d %d %d\n"
            % (
                path,
                status.st_mode,
                status.st_uid,
                status.st_gid,
                0 if item.is_dir(follow_symlinks=False) else status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
        )
        if item.is_dir(follow_symlinks=False):
            _add(item.path, path, update)
