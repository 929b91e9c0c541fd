"""PKG-INFO out of an sdist, without unpacking it to disk."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Final

_LARGEST: Final = 32 << 20


def read_pkg_info(path: Path, filename: str) -> bytes:
    """The PKG-INFO at the top of an sdist. ValueError when it has none or is damaged."""
    try:
        return _in_zip(path) if filename.endswith(".zip") else _in_tar(path)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        msg = f"the sdist is damaged: {error}"
        raise ValueError(msg) from error


def _is_pkg_info(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] == "PKG-INFO"


def _in_tar(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        for member in archive:
            if _is_pkg_info(member.name) and member.isfile() and member.size <= _LARGEST:
                file = archive.extractfile(member)
                assert file is not None
                return file.read()
    msg = "the sdist has no PKG-INFO"
    raise ValueError(msg)


def _in_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if _is_pkg_info(member.filename) and member.file_size <= _LARGEST:
                return archive.read(member)
    msg = "the sdist has no PKG-INFO"
    raise ValueError(msg)
