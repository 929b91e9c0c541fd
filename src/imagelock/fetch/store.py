"""The store: content-addressed bytes, and small records by key.

    ROOT/sha256/ab/cdef…     bytes by their hash, read-only
    ROOT/records/KIND/KEY    small JSON values that can be computed again
    ROOT/tmp/                files being written, each held by an flock of its writer

Entries appear by rename, whole or not at all, whatever kills the process. Any number of
processes may share a store: two that write the same entry write the same bytes. The modification
time of an entry is the day of its last use, which is what ``store gc`` goes by.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from imagelock.fetch.temporary import PendingFile, locked_file, locked_folder, sweep
from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.names import Sha256

_CHUNK: Final = 1 << 20
_DAY: Final = 86_400
_HASH_PARTS: Final = re.compile(r"[0-9a-f]{64}\Z")
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_NO_PLACE: Final = _FULL | {errno.ENOTDIR, errno.EEXIST}


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
        if error.errno not in _READ_ONLY | _NO_PLACE:
            raise
        step = "free some space" if error.errno in _FULL else "check that you may write there"
        raise BuildError(
            f"cannot write: {error.strerror}",
            where=where,
            hint=f"{step}, or put the store elsewhere with IMAGELOCK_STORE",
        ) from error


def file_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of an open file in pieces of one MiB."""
    while chunk := file.read(_CHUNK):
        yield chunk


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One entry: ``size`` in bytes, ``used`` the day of its last use in seconds since 1970."""

    sha256: Sha256
    path: Path
    size: int
    used: float


class Store:
    """A store in a folder, made on first use."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_store_root()).absolute()

    def path(self, sha256: Sha256) -> Path:
        """Where the bytes of this hash are, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256[2:]

    def find(self, sha256: Sha256) -> Path | None:
        """The file that holds these bytes, or None; it is marked as used today."""
        path = self.path(sha256)
        try:
            _mark_used(path, path.stat().st_mtime)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return path

    def read(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their hash. KeyError when absent."""
        path = self.find(sha256)
        try:
            data = None if path is None else path.read_bytes()
        except FileNotFoundError:
            data = None
        if data is None:
            raise KeyError(sha256)
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
                raise _other_bytes(expected, found, where)
            self._publish(pending, self.path(found), mode=0o444)
        return found

    def add_bytes(
        self, data: bytes, *, expected: Sha256 | None = None, where: str = "store"
    ) -> Sha256:
        """Keep bytes under their hash; a store that has them is not written to."""
        found = Sha256(hashlib.sha256(data).hexdigest())
        if expected is not None and found != expected:
            raise _other_bytes(expected, found, where)
        path = self.find(found)
        with contextlib.suppress(OSError):
            if path is not None and path.read_bytes() == data:
                return found
        return self.add((data,), expected=found, where=where)

    def add_pending(self, pending: PendingFile, sha256: Sha256) -> Path:
        """Take over a :meth:`temporary` file whose hash the caller computed while writing."""
        path = self.path(sha256)
        self._publish(pending, path, mode=0o444)
        return path

    def remove(self, sha256: Sha256) -> None:
        """Forget an entry; one that is not there is no error."""
        with disk_errors(str(self.root)):
            self.path(sha256).unlink(missing_ok=True)

    def entries(self) -> Iterator[StoredFile]:
        """Every entry in the order of hashes; those that vanish meanwhile are left out."""
        for path in sorted((self.root / "sha256").glob("*/*")):
            name = path.parent.name + path.name
            if not _HASH_PARTS.match(name):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield StoredFile(Sha256(name), path, status.st_size, status.st_mtime)

    def record(self, kind: str, key: str) -> object | None:
        """A small JSON value kept before, or None; a damaged one counts as absent."""
        path = self.root / "records" / kind / key
        try:
            value: object = json.loads(path.read_bytes())
            _mark_used(path, path.stat().st_mtime)
        except (OSError, ValueError):
            return None
        return value

    def keep_record(self, kind: str, key: str, value: object) -> None:
        """Keep a small JSON value that can be computed again; a read-only store keeps none."""
        self.keep_json(kind, key, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())

    def keep_json(self, kind: str, key: str, text: bytes) -> None:
        """The same for a value that is JSON already."""
        try:
            with self.temporary() as pending:
                with disk_errors(str(self.root)):
                    pending.file.write(text)
                self._publish(pending, self.root / "records" / kind / key, mode=0o644)
        except BuildError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in _READ_ONLY:
                raise

    @contextlib.contextmanager
    def temporary(self) -> Iterator[PendingFile]:
        """A new file in the store's tmp folder, gone at the end unless it was published."""
        with disk_errors(str(self.root)):
            pending = locked_file(self.root / "tmp")
        try:
            yield pending
        finally:
            with contextlib.suppress(FileNotFoundError):
                pending.path.unlink()
            # What was published was flushed before; the rest may not fit on a full disk.
            with contextlib.suppress(OSError):
                pending.file.close()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """A time in which nothing is taken out of the store; it waits while something is."""
        with self._held(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """A time in which things may be taken out: it waits for all who use the store."""
        with self._held(fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _held(self, kind: int) -> Iterator[None]:
        """The kernel lets go when a process dies. A store that is only read has no lock."""
        held: int | None = None
        with contextlib.suppress(OSError):
            self.root.mkdir(parents=True, exist_ok=True)
            held = os.open(self.root / "lock", os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            if held is not None:
                fcntl.flock(held, kind)
            yield
        finally:
            if held is not None:
                os.close(held)

    @contextlib.contextmanager
    def temporary_folder(self) -> Iterator[Path]:
        """A new folder in the store's tmp folder, gone at the end with all that is in it."""
        with disk_errors(str(self.root)):
            path, held = locked_folder(self.root / "tmp")
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)

    def sweep(self) -> int:
        """Remove what killed writers left in tmp; the number of files and folders removed."""
        return sweep(self.root / "tmp")

    def _publish(self, pending: PendingFile, target: Path, *, mode: int) -> None:
        with disk_errors(str(self.root)):
            pending.file.flush()
            os.fchmod(pending.file.fileno(), mode)
            target.parent.mkdir(parents=True, exist_ok=True)
            pending.path.rename(target)


def _mark_used(path: Path, last: float) -> None:
    """Set the time of last use, once a day; a store of others is only read."""
    now = time.time()
    if now - last > _DAY:
        with contextlib.suppress(OSError):
            os.utime(path, (now, now))


def _other_bytes(expected: Sha256, found: Sha256, where: str) -> IntegrityError:
    return IntegrityError(
        f"expected sha256 {expected}, got {found}",
        where=where,
        hint="the file was changed at its source: do not use it before you know why",
    )
