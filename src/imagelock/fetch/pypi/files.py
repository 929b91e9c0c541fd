"""One file's metadata: advertised beside it, in its tail, or in the whole of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from imagelock.fetch.http import Http
from imagelock.fetch.pypi.wheel import END, NotReadable, read_metadata
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.names import Sha256
from imagelock.resolve.pip.metadata import is_static, parse_metadata
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile

_TAIL: Final = 64 << 10
_LARGEST: Final = 64 << 20
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


def read_core_metadata(http: Http, store: Store, file: IndexFile) -> CoreMetadata:
    """The metadata of a wheel, or what is advertised beside an sdist.

    IntegrityError when bytes do not have their advertised hash; NetworkError when the server
    fails; NotFound when an sdist has none beside it that holds (PEP 643).
    """
    try:
        if file.metadata_sha256 is not None:
            found = _advertised(http, file)
            if found is not None:
                metadata = parse_metadata(found)
                if file.is_wheel or is_static(metadata):
                    return metadata
        if file.is_wheel:
            return parse_metadata(_from_wheel(http, store, file))
        raise NotFound("its metadata is not advertised", where=file.url)
    except NotReadable as error:
        raise IntegrityError(
            f"is not a wheel that can be read: {error}",
            where=file.url,
            hint="exclude this version with a constraint, or tell its publisher",
        ) from error
    except ValueError as error:
        raise IntegrityError(
            f"has metadata that cannot be read: {error}", where=file.url
        ) from error


def metadata_in(path: Path, file: IndexFile) -> CoreMetadata:
    """The metadata in a wheel that is on disk. IntegrityError when it has none to read."""
    try:
        return parse_metadata(_in_whole(path, "-".join(file.filename.split("-")[:2])))
    except ValueError as error:
        raise IntegrityError(
            f"has metadata that cannot be read: {error}", where=file.url
        ) from error


def check_same(told: CoreMetadata, own: CoreMetadata, file: IndexFile) -> None:
    """IntegrityError when a wheel's own metadata is not what the index told, where it decides."""
    for what, first, second in (
        ("name", canonicalize_name(told.name), canonicalize_name(own.name)),
        ("version", told.version, own.version),
        ("Requires-Python", told.requires_python, own.requires_python),
        ("Requires-Dist", sorted(told.requires_dist), sorted(own.requires_dist)),
    ):
        if first != second:
            raise IntegrityError(
                f"its own {what} is {second!r}, the index says {first!r}",
                where=file.url,
                hint="the index and its files disagree: tell who runs it, and exclude this version",
            )


def _advertised(http: Http, file: IndexFile) -> bytes | None:
    """The ``.metadata`` beside a file (PEP 658), None when the promise is not kept."""
    try:
        body = http.get(f"{file.url}.metadata", headers={"Accept-Encoding": "gzip"}).body
    except NotFound:
        return None
    if file.metadata_sha256 and hashlib.sha256(body).hexdigest() != file.metadata_sha256:
        raise IntegrityError(
            f"expected sha256 {file.metadata_sha256}, got {hashlib.sha256(body).hexdigest()}",
            where=f"{file.url}.metadata",
            hint="the index and its files disagree: try again later, or tell who runs it",
        )
    return body


def _from_wheel(http: Http, store: Store, file: IndexFile) -> bytes:
    distribution = "-".join(file.filename.split("-")[:2])
    if file.sha256 is not None and store.find(Sha256(file.sha256)) is not None:
        return _in_whole(store.path(Sha256(file.sha256)), distribution)
    if file.size is not None and file.size <= _TAIL:
        whole = http.get(file.url).body
        _keep(store, file, whole)
        return read_metadata(whole, len(whole), distribution, lambda a, b: whole[a:b])
    start = f"{file.size - _TAIL}-" if file.size is not None else f"-{_TAIL}"
    answer = http.get(
        file.url, headers={"Range": f"bytes={start}"}, statuses=frozenset({200, 206, 416})
    )
    if answer.status == 206:
        size = _total(answer.headers.get("content-range", ""), file, len(answer.body))

        def ranges(first: int, last: int) -> bytes:
            return _range(http, file, first, last)

        try:
            return read_metadata(answer.body, size, distribution, ranges)
        except NotReadable:
            if END not in answer.body:
                raise
            whole = http.get(file.url).body
    else:
        whole = answer.body if answer.status == 200 else http.get(file.url).body
    _keep(store, file, whole)
    return _in_bytes(whole, distribution)


def _total(text: str, file: IndexFile, received: int) -> int:
    """The file's size from Content-Range, checked against what was asked and received."""
    match = _CONTENT_RANGE.match(text)
    if not match:
        raise NetworkError(
            f"got a partial answer without a proper range ('{text}')", where=file.url
        )
    first, last, total = map(int, match.groups())
    if last + 1 != total or last - first + 1 != received or (file.size not in {None, total}):
        raise NetworkError(
            f"asked for the end of {file.size} bytes, got {text}",
            where=file.url,
            hint="the index and its files disagree: try again later",
        )
    return total


def _range(http: Http, file: IndexFile, first: int, last: int) -> bytes:
    answer = http.get(
        file.url,
        headers={"Range": f"bytes={first}-{last - 1}"},
        statuses=frozenset({200, 206}),
    )
    body = answer.body[first:last] if answer.status == 200 else answer.body
    if len(body) != last - first:
        raise NotReadable(f"expected {last - first} bytes of it, got {len(body)}")
    return body


def _keep(store: Store, file: IndexFile, whole: bytes) -> None:
    """Keep a file that had to be fetched whole, once it has its hash."""
    if file.sha256 is not None:
        store.add_bytes(whole, expected=Sha256(file.sha256), where=file.url)


def _in_bytes(whole: bytes, distribution: str) -> bytes:
    try:
        return read_metadata(whole, len(whole), distribution, lambda a, b: whole[a:b])
    except NotReadable:
        import io

        return _unzip(io.BytesIO(whole), distribution)


def _in_whole(path: Path, distribution: str) -> bytes:
    with path.open("rb") as file:
        return _unzip(file, distribution)


def _unzip(file: object, distribution: str) -> bytes:
    """By zipfile, which knows zip64."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:  # type: ignore[call-overload]
            named = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            wanted = f"{distribution}.dist-info/METADATA"
            chosen = wanted if wanted in named else named[0] if len(named) == 1 else None
            if chosen is None or archive.getinfo(chosen).file_size > _LARGEST:
                raise NotReadable("the wheel has no METADATA file")
            content: bytes = archive.read(chosen)
            return content
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise NotReadable(str(error)) from error
