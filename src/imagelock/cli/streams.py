"""Standard output and error, whatever they are: a terminal, a pipe, a full disk, closed."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Final, TextIO

from imagelock.model.errors import BuildError, ImagelockError, UsageError

_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def prepare() -> None:
    """Make output the same bytes in every locale, and never end in an encoding error.

    A terminal keeps its encoding; what it cannot show is escaped. A stream that the caller
    closed is replaced by one to nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - it lives as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Send the rest of a stream nowhere: what it still holds would fail again at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def disk_error(error: OSError) -> ImagelockError:
    """What the system refused, with its place; standard output has no file name."""
    where = os.fsdecode(error.filename) if error.filename else "standard output"
    said = error.strerror or str(error)
    if error.errno in _DISK:
        return BuildError(f"cannot write: {said}", where=where, hint="free some space")
    return UsageError(said, where=where, hint="check the path and its permissions")
