"""The store: content-addressed bytes, and small records by key.

    ROOT/sha256/ab/cdef…     bytes by their hash, read-only
    ROOT/records/KIND/KEY    small JSON values that can be computed again
    ROOT/tmp/                files being written, each held by an flock of its writer

Entries appear by rename, whole or not at all, whatever kills the process. Any number of
processes may share a store: two that write the same entry write the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.names import Sha256

_CHUNK = 1 << 20


def default_store_root() -> Path:
    """The folder named by IMAGELOCK_STORE, else the user's cache folder."""
    named = os.environ.get("IMAGELOCK_STORE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("imagelock")


@contextlib.contextmanager
def disk_errors(where: str) -> Iterator[None]:
    """Turn what a disk can say (full, read-only, no permission) into an error with a place."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}:
            raise
        raise BuildError(
            f"cannot write: {error.strerror}",
            where=where,
            hint="free some space, or put the store elsewhere with IMAGELOCK_STORE",
        ) from error


def file_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of an open file in pieces of one MiB."""
    while chunk := file.read(_CHUNK):
        yield chunk


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file being written in the store's tmp folder."""

    path: Path
    file: IO[bytes]


class Store:
    """A store in a folder, made on first use."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_store_root()).absolute()

    def path(self, sha256: Sha256) -> Path:
        """Where the bytes of this hash are, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256[2:]

    def find(self, sha256: Sha256) -> Path | None:
        """The file that holds these bytes, or None."""
        path = self.path(sha256)
        return path if path.exists() else None

    def read(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their hash. KeyError when absent."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise KeyError(sha256) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self.damaged(sha256)
        return data

    def verify(self, sha256: Sha256) -> Path:
        """The file, after reading it all against its hash. KeyError when absent."""
        path = self.path(sha256)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise KeyError(sha256) from None
        if found != sha256:
            raise self.damaged(sha256)
        return path

    def damaged(self, sha256: Sha256) -> IntegrityError:
        """The error for an entry whose bytes are no longer what its name says."""
        return IntegrityError(
            "the stored bytes do not have the hash of their name",
            where=str(self.path(sha256)),
            hint="run `imagelock store verify --repair` to drop it; it is fetched again",
        )

    def add(
        self, chunks: Iterable[bytes], *, expected: Sha256 | None = None, where: str = "store"
    ) -> Sha256:
        """Keep a stream under its hash. IntegrityError when it is not the expected one."""
        digest = hashlib.sha256()
        with self.temporary() as pending:
            for chunk in chunks:
                digest.update(chunk)
                with disk_errors(str(self.root)):
                    pending.file.write(chunk)
            found = Sha256(digest.hexdigest())
            if expected is not None and found != expected:
                raise IntegrityError(
                    f"expected sha256 {expected}, got {found}",
                    where=where,
                    hint="the file was changed at its source: do not use it before you know why",
                )
            self._publish(pending, self.path(found), mode=0o444)
        return found

    def add_bytes(
        self, data: bytes, *, expected: Sha256 | None = None, where: str = "store"
    ) -> Sha256:
        """Keep bytes under their hash."""
        return self.add((data,), expected=expected, where=where)

    def add_pending(self, pending: PendingFile, sha256: Sha256) -> Path:
        """Take over a :meth:`temporary` file whose hash the caller computed while writing."""
        path = self.path(sha256)
        self._publish(pending, path, mode=0o444)
        return path

    def record(self, kind: str, key: str) -> object | None:
        """A small JSON value kept before, or None; a damaged one counts as absent."""
        try:
            return json.loads((self.root / "records" / kind / key).read_bytes())  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return None

    def keep_record(self, kind: str, key: str, value: object) -> None:
        """Keep a small JSON value that can be computed again."""
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        with self.temporary() as pending:
            with disk_errors(str(self.root)):
                pending.file.write(text.encode())
            self._publish(pending, self.root / "records" / kind / key, mode=0o644)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[PendingFile]:
        """A new file in the store's tmp folder, gone at the end unless it was published."""
        folder = self.root / "tmp"
        with disk_errors(str(self.root)):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield PendingFile(Path(name), file)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    Path(name).unlink()

    def sweep(self) -> int:
        """Remove what killed writers left in tmp; the number of files removed."""
        removed = 0
        for path in sorted((self.root / "tmp").glob("*")):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += 1
        return removed

    def _publish(self, pending: PendingFile, target: Path, *, mode: int) -> None:
        with disk_errors(str(self.root)):
            pending.file.flush()
            os.fchmod(pending.file.fileno(), mode)
            target.parent.mkdir(parents=True, exist_ok=True)
            pending.path.rename(target)
