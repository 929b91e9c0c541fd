"""The normal form of a wheel: its bytes are a function of its files, whoever wrote the zip.

Members are sorted, stored and not compressed (compressors differ), with one time and two modes;
RECORD is ours, sorted, and last.
"""

from __future__ import annotations

import io
import stat
import time
import zipfile
from typing import Final

from imagelock.layers.entries import relative_path, sort_key, unsafe
from imagelock.layers.record import line_of, write_record
from imagelock.model.errors import IntegrityError

_MOST: Final = 1 << 32
"""Bytes of one wheel in memory."""


def normal_wheel(data: bytes, *, epoch: int, where: str) -> bytes:
    """The wheel in normal form; ``epoch`` in seconds since 1970 is the time of its files.

    Bytecode is left out. IntegrityError for what is no wheel.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive, where)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise IntegrityError(f"the backend made no readable wheel: {error}", where=where) from error
    infos = sorted({path.partition("/")[0] for path in members if ".dist-info/" in path})
    if len(infos) != 1:
        raise IntegrityError(f"expected one .dist-info folder, found {len(infos)}", where=where)
    record = f"{infos[0]}/RECORD"
    kept = {path: members[path] for path in sorted(members.keys() - {record}, key=sort_key)}
    lines = write_record((line_of(path, body) for path, (body, _) in kept.items()), record)
    kept[record] = (lines, False)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path, (body, executable) in kept.items():
            info = zipfile.ZipInfo(path, time.gmtime(epoch)[:6])
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
            archive.writestr(info, body)
    return file.getvalue()


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, tuple[bytes, bool]]:
    """Contents by path, and whether each is executable."""
    found: dict[str, tuple[bytes, bool]] = {}
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in infos) > _MOST:
        raise unsafe("*", f"unpacks to more than {_MOST} bytes", where=where)
    for info in infos:
        path = relative_path(info.filename, where=where)
        if path in found:
            raise unsafe(path, "is there twice", where=where)
        if not path.endswith((".pyc", ".pyo", ".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")):
            found[path] = (archive.read(info), bool((info.external_attr >> 16) & 0o111))
    return found
