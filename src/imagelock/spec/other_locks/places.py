"""Packages that no index gives: where a lock says they are, as requirements name it."""

from __future__ import annotations

import posixpath
import re
from typing import Final
from urllib.parse import quote

from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.sheet import Node

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_SSH: Final = re.compile(r"(?:ssh://)?([A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):(?![0-9/])(.+)")
"""``user@host:path``, as git takes it; a host without a user needs no '://' either."""


def git_place(node: Node, url: str, commit: str, *, folder: str, subfolder: str = "") -> str:
    """``git+https://host/path@commit#subdirectory=…``; paths are relative to the lock's folder.

    WrongLockError for a lock that names no commit.
    """
    if not _COMMIT.fullmatch(commit):
        raise node.wrong(
            f"expected the whole id of a commit, got {quoted(commit)}",
            hint="lock again with the tool that wrote this",
        )
    # Poetry writes a host, None, for the paths of repositories.
    url = url.removeprefix("git+").replace("file://None/", "file:///")
    if (short := _SHORT_SSH.fullmatch(url)) and (short[1] or "://" not in url):
        url = f"ssh://{short[1] or ''}{short[2]}/{short[3]}"
    elif "://" not in url and not url.startswith("/"):
        url = _beside(folder, url)
    return f"git+{url}@{commit}" + (f"#subdirectory={quote(subfolder)}" if subfolder else "")


def path_place(path: str, *, folder: str, sha256: str = "") -> str:
    """A file or folder by its path from the lock's folder; ``sha256`` is ``sha256:`` and digits."""
    place = path if path.startswith(("/", "file:")) else _beside(folder, path)
    return with_hash(place, sha256)


def with_hash(place: str, sha256: str) -> str:
    """A place and the hash of what is there, if the lock gives one."""
    return f"{place}#sha256={sha256.removeprefix('sha256:')}" if sha256 else place


def _beside(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, path))
    text = quote(joined, safe="/~+@!$&'()*,=-._")
    return text if text == ".." or text.startswith("../") else f"./{'' if text == '.' else text}"
