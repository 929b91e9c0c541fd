"""Specs and locks on disk: found, read, and written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from imagelock.fetch.store import disk_errors
from imagelock.lock import decode_lock
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock
from imagelock.model.names import Sha256
from imagelock.model.spec import Spec
from imagelock.spec import parse_spec

LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A lock's path, and the spec's when the call named one."""

    spec: Path | None
    lock: Path


def locate(path: str, *, lock: str | None = None) -> Located:
    """What a ``SPEC|LOCK`` argument means. UsageError when it is neither."""
    given = Path(path)
    if given.suffix == LOCK_SUFFIX:
        return Located(spec=None, lock=given)
    if given.suffix == ".toml":
        return Located(spec=given, lock=Path(lock) if lock else given.with_suffix(LOCK_SUFFIX))
    raise UsageError(
        "expected a spec (*.toml) or a lock (*.lock)",
        where=path,
        hint="run `imagelock init` to write a first spec",
    )


def load_spec(path: Path) -> Spec:
    """Read a spec and the requirements files it names. SpecError lists every problem."""
    return spec_of(read_file(path, "spec", hint="run `imagelock init` to write a first spec"), path)


def spec_of(data: bytes, path: Path) -> Spec:
    """The spec that these bytes are at a path. SpecError lists every problem."""
    folder = path.parent

    def read_beside(relative: str) -> bytes:
        return (folder / relative).read_bytes()

    return parse_spec(data, source=str(path), read_file=read_beside, files=SpecFiles(folder))


@dataclass(frozen=True, slots=True)
class SpecFiles:
    """What a spec names beside itself, read from its folder (:mod:`imagelock.spec.local`)."""

    folder: Path

    def relative(self, path: str) -> str:
        """An absolute path as seen from the spec's folder."""
        return os.path.relpath(os.path.realpath(path), self.folder.resolve()).replace(os.sep, "/")

    def digest(self, path: str) -> Sha256:
        """The hash of a file, or of the tar that a project's folder is packed as."""
        found = self.folder / path
        if found.is_dir():
            from imagelock.fetch.trees import folder_tar

            digest = hashlib.sha256()
            for chunk in folder_tar(found):
                digest.update(chunk)
            return Sha256(digest.hexdigest())
        with found.open("rb") as file:
            return Sha256(hashlib.file_digest(file, "sha256").hexdigest())


def load_lock(path: Path) -> Lock:
    """Read a lock. LockError says what is wrong in it, UsageError that there is none."""
    spec = path.with_suffix(".toml")
    first = (
        f"run `imagelock lock {spec}` first"
        if spec.exists()
        else f"there is no {spec} either: check the path, or run `imagelock init`"
    )
    data = read_file(path, "lock", hint=first)
    return decode_lock(data, source=str(path))


def load_lock_if_any(path: Path) -> Lock | None:
    """The lock, or None when there is none yet."""
    return load_lock(path) if path.exists() else None


def read_file(path: Path, what: str, *, hint: str) -> bytes:
    """The bytes of a file that the call named."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no such {what}", where=str(path), hint=hint) from None
    except OSError as error:
        raise UsageError(
            f"the {what} cannot be read: {error.strerror}", where=str(path), hint="check the path"
        ) from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file by rename: a reader, or a kill, sees the old one or the new one.

    The mode is that of the file it replaces, else what the umask gives a new file.
    """
    if not path.parent.is_dir():
        raise UsageError(
            "the folder of this file does not exist", where=str(path), hint="make the folder first"
        )
    with disk_errors(str(path)):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        # The kernel applies the umask: to ask for it is to change it, for other threads too.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            raise
