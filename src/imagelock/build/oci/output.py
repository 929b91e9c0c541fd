"""Where an image goes: an OCI layout in a folder, or the same in one tar (image-layout.md)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from imagelock.build.oci.config import canonical
from imagelock.fetch.store import disk_errors, file_chunks
from imagelock.layers.entries import Entry, Kind
from imagelock.layers.tar import tar_chunks
from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.image import Descriptor
from imagelock.model.names import hash_of

_THREADS: Final = 4
LAYOUT: Final = canonical({"imageLayoutVersion": "1.0.0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob to write: a descriptor, and its bytes or what finds the file that holds them.

    The file is asked for only when it is needed: a base's layer may be far away.
    """

    descriptor: Descriptor
    source: Callable[[], Path] | bytes


def parse_output(text: str) -> tuple[str, Path]:
    """``oci:DIR``, ``oci-archive:FILE`` or ``docker`` (no path). UsageError for others."""
    kind, _, path = text.partition(":")
    if text != "docker" and (kind not in {"oci", "oci-archive"} or not path):
        raise UsageError(
            f"expected oci:DIR, oci-archive:FILE, docker or registry, got '{text}'",
            where="--output",
        )
    return kind, Path(path)


def write_output(kind: str, path: Path, blobs: Iterable[Blob], index: bytes) -> None:
    """Write an image; ``index`` becomes index.json, last, so that a cut-short write shows none."""
    ordered = _sorted(blobs)
    with disk_errors(str(path)):
        if kind == "oci":
            _write_layout(path, ordered, index)
        else:
            _write_archive(path, ordered, index)


def _write_layout(folder: Path, blobs: list[Blob], index: bytes) -> None:
    target = folder / "blobs" / "sha256"
    target.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for _ in pool.map(partial(_write_blob, target), blobs):
                pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    for name, data in (("oci-layout", LAYOUT), ("index.json", index)):
        place = folder / name
        if not place.is_file() or place.read_bytes() != data:
            with _replacing(place) as file:
                file.write(data)


def _write_blob(folder: Path, blob: Blob) -> None:
    place = folder / hash_of(blob.descriptor.digest)
    if not _is_there(place, blob.descriptor.size):
        with _replacing(place) as file:
            for chunk in _checked(blob):
                file.write(chunk)


def _write_archive(path: Path, blobs: list[Blob], index: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file:
        for chunk in archive_chunks(blobs, index):
            file.write(chunk)


def archive_chunks(
    blobs: Iterable[Blob], index: bytes, more: Iterable[tuple[str, bytes]] = ()
) -> Iterator[bytes]:
    """A layout as one tar; ``more`` are further files of it by name, small ones."""
    files = sorted((("index.json", index), ("oci-layout", LAYOUT), *more))
    return tar_chunks(_members(_sorted(blobs), files))


def _sorted(blobs: Iterable[Blob]) -> list[Blob]:
    """The blobs by digest, each once."""
    unique = {blob.descriptor.digest: blob for blob in blobs}
    return [unique[key] for key in sorted(unique)]


def _members(blobs: list[Blob], files: list[tuple[str, bytes]]) -> Iterator[Entry]:
    for folder in ("blobs", "blobs/sha256"):
        yield Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755)
    for blob in blobs:
        yield Entry(
            path=f"blobs/sha256/{hash_of(blob.descriptor.digest)}",
            size=blob.descriptor.size,
            content=_checked(blob),
        )
    for name, data in files:
        yield Entry(path=name, size=len(data), content=(data,))


def _is_there(place: Path, size: int) -> bool:
    """Whether a blob was written before. It came whole, by rename, under its hash."""
    try:
        return place.stat().st_size == size
    except FileNotFoundError:
        return False


def _checked(blob: Blob) -> Iterator[bytes]:
    """The bytes of a blob; IntegrityError at the end when they are not the promised ones."""
    state = hashlib.sha256()
    size = 0
    with contextlib.ExitStack() as stack:
        where = "blob"
        if isinstance(blob.source, bytes):
            chunks: Iterable[bytes] = (blob.source,)
        else:
            path = blob.source()
            where = str(path)
            chunks = file_chunks(stack.enter_context(path.open("rb")))
        for chunk in chunks:
            state.update(chunk)
            size += len(chunk)
            yield chunk
    if size != blob.descriptor.size or state.hexdigest() != hash_of(blob.descriptor.digest):
        raise IntegrityError(
            f"expected {blob.descriptor.digest}, got sha256:{state.hexdigest()}",
            where=where,
            hint="run `imagelock store verify --repair`, then build again",
        )


@contextlib.contextmanager
def _replacing(place: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of another when all is written, and is gone otherwise."""
    descriptor, name = tempfile.mkstemp(prefix=".imagelock.", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o644)
        Path(name).rename(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
