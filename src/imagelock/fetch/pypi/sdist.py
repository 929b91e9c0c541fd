"""Single files out of an sdist or a source tree, without unpacking it to disk."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Final

_LARGEST: Final = 32 << 20


def read_member(path: Path, filename: str, wanted: str, *, top: bool = True) -> bytes | None:
    """A file of an archive; None when it has none. ValueError when the archive is damaged.

    ``top`` says that everything lies in one folder, as in sdists, whose name does not count.
    """
    try:
        if filename.endswith(".zip"):
            return _in_zip(path, wanted, top=top)
        return _in_tar(path, wanted, top=top)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        msg = f"the sdist is damaged: {error}"
        raise ValueError(msg) from error


def _is_wanted(name: str, wanted: str, *, top: bool) -> bool:
    inner = name.removeprefix("./")
    return (inner.partition("/")[2] if top else inner) == wanted


def _in_tar(path: Path, wanted: str, *, top: bool) -> bytes | None:
    with tarfile.open(path) as archive:
        for member in archive:
            if _is_wanted(member.name, wanted, top=top) and member.isfile():
                if member.size > _LARGEST:
                    break
                file = archive.extractfile(member)
                assert file is not None
                return file.read()
    return None


def _in_zip(path: Path, wanted: str, *, top: bool) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if _is_wanted(member.filename, wanted, top=top) and member.file_size <= _LARGEST:
                return archive.read(member)
    return None
