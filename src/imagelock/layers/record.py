"""RECORD of a wheel (PEP 376, PEP 427; the binary distribution format): read, checked, written."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from imagelock.layers.entries import relative_path
from imagelock.model.errors import IntegrityError

_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
"""What the format allows: md5 and sha1 are forbidden in RECORD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    """One file: ``digest`` is ``ALGORITHM=URLSAFE-BASE64`` without padding; ``size`` in bytes."""

    path: str
    digest: str
    size: int | None


def read_record(data: bytes, *, where: str) -> dict[str, RecordLine]:
    """The lines by path. IntegrityError for what is no RECORD, doubles and unsafe paths."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(f"RECORD cannot be read: {error}", where) from None
    lines: dict[str, RecordLine] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != 3:
            raise _wrong(f"RECORD: expected three fields a line, got {len(row)}", where)
        path = relative_path(row[0], where=where)
        if path in lines:
            raise _wrong(f"RECORD lists {path!r} twice", where)
        if row[2] and not row[2].isdigit():
            raise _wrong(f"RECORD: expected a size for {path!r}, got {row[2][:40]!r}", where)
        lines[path] = RecordLine(path=path, digest=row[1], size=int(row[2]) if row[2] else None)
    return lines


def checked(chunks: Iterable[bytes], line: RecordLine, size: int, *, where: str) -> Iterator[bytes]:
    """The same bytes; IntegrityError at the end when they are not what RECORD says."""
    algorithm, _, expected = line.digest.partition("=")
    if algorithm not in _ALGORITHMS:
        raise _wrong(f"RECORD has no sha256 of {line.path!r}", where)
    if line.size is not None and line.size != size:
        raise _wrong(f"{line.path!r}: RECORD says {line.size} bytes, the archive {size}", where)
    state = hashlib.new(algorithm)
    for chunk in chunks:
        state.update(chunk)
        yield chunk
    found = urlsafe(state.digest())
    if found != expected.rstrip("="):
        raise _wrong(f"{line.path!r}: RECORD says {line.digest}, the archive has {found}", where)


def urlsafe(digest: bytes) -> str:
    """URL-safe base64 without padding, as RECORD spells hashes."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def line_of(path: str, data: bytes) -> RecordLine:
    """The line of a file we made."""
    digest = f"sha256={urlsafe(hashlib.sha256(data).digest())}"
    return RecordLine(path=path, digest=digest, size=len(data))


def write_record(lines: Iterable[RecordLine], own_path: str) -> bytes:
    """RECORD's bytes: sorted by path, LF, itself last in no special place and without a hash."""
    rows = [(line.path, line.digest, "" if line.size is None else str(line.size)) for line in lines]
    rows.append((own_path, "", ""))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()


def _wrong(problem: str, where: str) -> IntegrityError:
    return IntegrityError(
        problem, where=where, hint="the wheel is damaged or was changed: do not install it"
    )
