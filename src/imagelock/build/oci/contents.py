"""What an image holds, read from its layers as streams: no root, no sandbox, nothing unpacked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imagelock.build.oci.trees import open_layer
from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind, is_bomb
from imagelock.layers.untar import Readable, read_tar
from imagelock.model.errors import IntegrityError
from imagelock.model.image import Descriptor
from imagelock.model.lock import CONDA_PREFIX

_KEPT: Final = re.compile(
    r"etc/dpkg/dpkg\.cfg(?:\.d/[^/]+)?|root/\.dpkg\.cfg|var/lib/dpkg/status"
    r"|var/lib/dpkg/info/[^/]+\.md5sums|.*\.dist-info/(?:RECORD|METADATA)"
    rf"|{CONDA_PREFIX.strip('/')}/conda-meta/[^/]+\.json"
)
_LARGEST: Final = 64 << 20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A path of the image: its kind, hashes of its content, and the link it is."""

    kind: Kind
    sha256: str = ""
    md5: str = ""
    size: int = 0
    link: str = ""


@dataclass(slots=True)
class Contents:
    """All paths of an image, and the text of the files that say what is installed.

    ``diff_ids`` are what the layers' uncompressed bytes hash to, lowest first (config.md).
    """

    diff_ids: list[str] = field(default_factory=list)
    paths: dict[str, Found] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def find(self, path: str) -> Found | None:
        """What is at a path, links on the way and at its end followed."""
        resolved = self._resolved(path)
        return self.paths.get(resolved) if resolved is not None else None

    def _resolved(self, path: str) -> str | None:
        done: list[str] = []
        todo = path.strip("/").split("/")[::-1]
        for _ in range(500):
            if not todo:
                return "/".join(done)
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                done = done[:-1]
                continue
            place = "/".join([*done, part])
            found = self.paths.get(place)
            if found is not None and found.kind is Kind.SYMLINK:
                done = [] if found.link.startswith("/") else done
                todo += found.link.split("/")[::-1]
            else:
                done.append(part)
        return None


def read_contents(layers: Iterable[tuple[Descriptor, Path]]) -> Contents:
    """The contents of the layers, lowest first, each checked against its descriptor."""
    contents = Contents()
    for descriptor, path in layers:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if f"sha256:{found}" != descriptor.digest:
            raise IntegrityError(
                f"expected {descriptor.digest}, got sha256:{found}", where=str(path)
            )
        with open_layer(path, descriptor.media_type) as tar:
            stream = _Hashed(tar, descriptor)
            _add_layer(stream, contents, descriptor.digest)
            contents.diff_ids.append(stream.ended())
    return contents


class _Hashed:
    """A layer's uncompressed bytes as they are read, and the hash of all of them."""

    def __init__(self, stream: Readable, descriptor: Descriptor) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._state = hashlib.sha256()
        self._total = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._state.update(data)
        self._total += len(data)
        if is_bomb(self._total, self._descriptor.size):
            raise IntegrityError(
                f"unpacks to {self._total} bytes and more, from {self._descriptor.size}",
                where=self._descriptor.digest,
                hint="do not use this image; report it to whoever published it",
            )
        return data

    def ended(self) -> str:
        """The diff ID. What follows a tar's end is part of it, so it is read to the last byte."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._state.hexdigest()}"


def _add_layer(tar: Readable, contents: Contents, where: str) -> None:
    hidden: list[str] = []
    added: dict[str, Found] = {}
    texts: dict[str, bytes] = {}
    for entry in read_tar(tar, where=where):
        folder, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            hidden.append(f"{folder}/")
        elif name.startswith(WHITEOUT):
            gone = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
            hidden += [gone, f"{gone}/"]
        elif entry.path:
            added[entry.path] = _read(entry, added, texts)
    # A layer hides what lies below it, never its own members (layer.md).
    _hide(contents, hidden)
    for path, found in added.items():
        before = contents.paths.get(path)
        if before and before.kind is Kind.DIRECTORY and found.kind is not Kind.DIRECTORY:
            _hide(contents, [f"{path}/"])
        contents.texts.pop(path, None)
    contents.paths.update(added)
    contents.texts.update(texts)


def _hide(contents: Contents, hidden: list[str]) -> None:
    folders = tuple(path for path in hidden if path.endswith("/"))
    exact = {path for path in hidden if not path.endswith("/")}
    if hidden:
        for table in (contents.paths, contents.texts):
            gone = [path for path in table if path in exact or path.startswith(folders)]
            for path in gone:
                del table[path]


def _read(entry: Entry, added: dict[str, Found], texts: dict[str, bytes]) -> Found:
    if entry.kind is Kind.HARDLINK:
        target = entry.link.removeprefix("./").strip("/")
        if target in texts:
            texts[entry.path] = texts[target]
        return added.get(target, Found(Kind.FILE))
    if entry.kind is not Kind.FILE:
        return Found(entry.kind, link=entry.link)
    kept = bytearray() if _KEPT.fullmatch(entry.path) and entry.size <= _LARGEST else None
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for chunk in entry.content:
        sha256.update(chunk)
        md5.update(chunk)
        if kept is not None:
            kept += chunk
    if kept is not None:
        texts[entry.path] = bytes(kept)
    return Found(Kind.FILE, sha256.hexdigest(), md5.hexdigest(), entry.size)
