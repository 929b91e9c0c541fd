"""The files of a commit, with those of its submodules, read out of kept repositories."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from imagelock.layers.entries import Entry, Kind, safe_path, sort_key
from imagelock.model.errors import IntegrityError, UsageError

SUBMODULE: Final = "160000"
"""The mode of a tree's entry that is a commit of another repository (gitlink)."""
_SYMLINK: Final = "120000"
_EXECUTABLE: Final = "100755"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of a commit's tree. ``kept`` is the repository that has the object ``name``."""

    path: str
    mode: str
    name: str
    kept: Path


def members_of(listing: bytes, *, kept: Path, below: str, where: str) -> Iterator[Member]:
    """What ``git ls-tree -r -z`` lists; paths begin with ``below``, a folder of the whole tree.

    IntegrityError for a path that leads out of it.
    """
    for line in filter(None, listing.split(b"\0")):
        head, _, raw = line.partition(b"\t")
        mode, _kind, name = head.decode().split(" ")
        path = safe_path(raw.decode("utf-8", "surrogateescape"), where=where)
        yield Member(path=f"{below}{path}", mode=mode, name=name, kept=kept)


def entries_of(members: Iterable[Member], environment: Mapping[str, str]) -> Iterator[Entry]:
    """The members as entries in their order, with git's two modes. None may be a submodule."""
    with ExitStack() as stack:
        readers: dict[Path, tuple[IO[bytes], IO[bytes]]] = {}
        for item in sorted(members, key=lambda item: sort_key(item.path)):
            if item.kept not in readers:
                readers[item.kept] = stack.enter_context(_objects(item.kept, environment))
            yield _entry(item, _object(*readers[item.kept], item.name))


@contextmanager
def _objects(kept: Path, environment: Mapping[str, str]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    process = subprocess.Popen(
        ["git", "-C", str(kept), "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            yield process.stdin, process.stdout
        finally:
            process.stdin.close()
            process.stdout.close()


def _object(asked: IO[bytes], answered: IO[bytes], name: str) -> bytes:
    asked.write(f"{name}\n".encode())
    asked.flush()
    head = answered.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise IntegrityError("the repository lacks an object of the commit", where=name)
    data = answered.read(int(head[2]))
    answered.read(1)
    return data


def _entry(item: Member, data: bytes) -> Entry:
    if item.mode == _SYMLINK:
        link = data.decode("utf-8", "surrogateescape")
        return Entry(path=item.path, kind=Kind.SYMLINK, mode=0o777, link=link)
    mode = 0o755 if item.mode == _EXECUTABLE else 0o644
    return Entry(path=item.path, mode=mode, size=len(data), content=(data,))


def submodule_urls(listing: bytes) -> dict[str, str]:
    """The URL of each submodule's path, from ``git config --null --get-regexp`` of .gitmodules."""
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for item in filter(None, listing.decode("utf-8", "surrogateescape").split("\0")):
        key, _, value = item.partition("\n")
        name, _, what = key.removeprefix("submodule.").rpartition(".")
        (paths if what == "path" else urls)[name] = value
    return {path: urls[name] for name, path in paths.items() if name in urls}


def submodule_address(url: str, parent: str, *, where: str) -> str:
    """Where a submodule is: its URL in .gitmodules, which may be relative to its parent's.

    UsageError for a transport that would run or read what is on this machine; paths of it are
    for the submodules of repositories that are paths too.
    """
    address = url
    if url.startswith(("./", "../")):
        address = parent.rstrip("/")
        for part in url.rstrip("/").split("/"):
            if part == "..":
                address = address.rpartition("/")[0]
            elif part not in {".", ""}:
                address = f"{address}/{part}"
    is_path = address.startswith(("/", "file://"))
    if _is_remote(address) or (is_path and parent.startswith("/")):
        return address.removeprefix("file://")
    raise UsageError(
        f"has a submodule at '{url}', which is no address that is fetched from",
        where=where,
        hint="submodules are read by https, http, ssh and git, or by a path relative to theirs",
    )


def _is_remote(address: str) -> bool:
    """A URL with a host, or git's short form of ssh, ``user@host:path``."""
    scheme, separator, rest = address.partition("://")
    if separator:
        host = rest.partition("/")[0]
        return scheme in {"https", "http", "ssh", "git"} and bool(host) and host[0] != "-"
    user, at, place = address.partition("@")
    host, colon, path = place.partition(":")
    return bool(at and colon and path) and all(
        part and part[0] != "-" and "/" not in part and ":" not in part for part in (user, host)
    )


def repositories_of(members: Sequence[Member]) -> list[Path]:
    """The kept repositories that members are in, sorted."""
    return sorted({item.kept for item in members})
