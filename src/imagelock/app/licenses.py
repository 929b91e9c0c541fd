"""``export --licenses``: what the packages of a lock declare, read in their own files.

All files are fetched, and held against their hashes, so that what a bill says follows from the lock
and not from what happens to be in a store. What was read of a file is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

from imagelock.app.context import Context
from imagelock.app.fetch import fetch_artifacts
from imagelock.layers.deb import Deb
from imagelock.layers.entries import Kind
from imagelock.lock.export.licenses import (
    Licenses,
    copyright_names,
    license_of_copyright,
    license_of_metadata,
)
from imagelock.model.lock import AptPin, Lock, PipPin
from imagelock.model.names import Sha256
from imagelock.model.platform import Platform

_KIND: Final = "licenses-1"
_LARGEST: Final = 4 << 20
"""Bytes of a copyright file."""
_TAIL: Final = 1 << 16

Said = dict[str, Any]
"""What a file says, as it says it: ``names``, or ``expression``, ``text`` and ``classifiers``."""


def declared_licenses(
    lock: Lock, platforms: Sequence[Platform], *, context: Context, folder: Path
) -> Licenses:
    """The licences of the apt and pip packages for these platforms, where they say one.

    ``folder`` is the lock's context. IntegrityError for a file that is not what the lock says, or
    no package; NetworkError where one cannot be had.
    """
    every: tuple[AptPin | PipPin, ...] = (*lock.apt, *lock.pip)
    pins = [pin for pin in every if set(pin.platforms) & set(platforms)]
    found: dict[Sha256, str] = {}
    with context.store.in_use():
        fetch_artifacts(
            tuple({pin.artifact.sha256: pin.artifact for pin in pins}.values()),
            lock.archives,
            lock=lock,
            context=context,
            folder=folder,
        )
        with context.progress.task("reading licences", len(pins)) as task:
            for pin in pins:
                said = _remembered(pin, context)
                declared = (
                    license_of_copyright(said["names"])
                    if isinstance(pin, AptPin)
                    else license_of_metadata(said["expression"], said["text"], said["classifiers"])
                )
                if declared is not None:
                    found[pin.artifact.sha256] = declared
                task.advance(1)
    return found


def _remembered(pin: AptPin | PipPin, context: Context) -> Said:
    store, sha256 = context.store, pin.artifact.sha256
    read: Callable[[Any, Path], Said] = _of_deb if isinstance(pin, AptPin) else _of_python
    key = f"{sha256}-{pin.name}"
    known = store.record(_KIND, key)
    if isinstance(known, dict):
        return known
    said = read(pin, store.verify(sha256))
    store.keep_record(_KIND, key, said)
    return said


def _of_deb(pin: AptPin, path: Path) -> Said:
    """The copyright file of a package, unless it is another's."""
    wanted = f"usr/share/doc/{pin.name}/copyright"
    with path.open("rb") as file:
        for entry in Deb(file, where=pin.artifact.filename).data():
            if entry.path == wanted and entry.kind is Kind.FILE and entry.size <= _LARGEST:
                text = b"".join(entry.content).decode("utf-8", "replace")
                return {"names": copyright_names(text)}
    return {"names": ()}


def _of_python(pin: PipPin, path: Path) -> Said:
    """METADATA of a wheel, PKG-INFO of an sdist; other sources declare nothing here."""
    headers = BytesHeaderParser().parsebytes(_metadata(pin, path))
    one = {key: headers.get(key) for key in ("License-Expression", "License")}
    return {
        "expression": one["License-Expression"] and str(one["License-Expression"]),
        "text": one["License"] and str(one["License"]),
        "classifiers": [str(line) for line in headers.get_all("Classifier", [])],
    }


def _metadata(pin: PipPin, path: Path) -> bytes:
    from imagelock.fetch.pypi.sdist import read_member
    from imagelock.fetch.pypi.wheel import NotReadable, read_metadata

    filename = pin.artifact.filename
    if not filename.endswith(".whl"):
        try:
            return read_member(path, filename, "PKG-INFO") or b""
        except ValueError:
            return b""
    size = path.stat().st_size
    with path.open("rb") as file:

        def ranges(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        try:
            stem = "-".join(filename.split("-")[:2])
            return read_metadata(ranges(max(0, size - _TAIL), size), size, stem, ranges)
        except NotReadable:
            return b""
