"""The bytes of a lock file → Lock, strictly."""

from __future__ import annotations

import re
import tomllib

from imagelock.lock.checks import Wrong
from imagelock.lock.consistency import check_consistent
from imagelock.lock.document import from_document
from imagelock.lock.normal import normalise
from imagelock.lock.read import read_toml
from imagelock.model.errors import LockError
from imagelock.model.lock import Lock

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
_HINT = "restore the file from version control, or run `imagelock lock`"


def decode_lock(data: bytes, *, source: str) -> Lock:
    """The lock in a file's bytes, in normal form. ``source`` names the file in errors.

    Keys that this version does not know are kept in ``Lock.unknown``. Raise LockError with the
    path of the first wrong value (``pip[3].sha256``) for a file that is not TOML, misses or
    mistypes a field, holds an unsafe path or a URL with credentials, or is of an unknown
    version or recipe.
    """
    document = _parse(data, source)
    try:
        lock = from_document(document)
        check_consistent(lock)
        return normalise(lock)
    except Wrong as wrong:
        path = wrong.path.removeprefix(".")
        where = f"{source}: {path}" if path else source
        raise LockError(wrong.message, where=where, hint=wrong.hint or _HINT) from None


def _parse(data: bytes, source: str) -> dict[str, object]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"expected UTF-8, got the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise LockError(msg, where=source, hint=_HINT) from None
    try:
        return read_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text.replace("\r\n", "\n"), str(error), source) from None
    except RecursionError:
        msg = "expected a lock, got values nested too deeply"
        raise LockError(msg, where=source, hint=_HINT) from None


def _syntax_error(text: str, message: str, source: str) -> LockError:
    conflict = _CONFLICT.search(text)
    if conflict is None:
        return LockError(f"expected TOML: {message}", where=source, hint=_HINT)
    line = text.count("\n", 0, conflict.start()) + 1
    return LockError(
        "this lock has unresolved merge conflicts",
        where=f"{source}:{line}",
        hint="take either side of the lock, resolve the spec, then run `imagelock lock`; "
        "`imagelock git install` merges locks from now on",
    )
