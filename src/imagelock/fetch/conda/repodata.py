"""The index of a channel's folder, ``repodata.json`` (CEP 36), as a file of the store.

It is asked for with what the store knows of it, so that an unchanged one is not fetched again.
The store holds it decompressed: the solver maps it into memory and reads what it needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store, file_chunks
from imagelock.model.errors import NetworkError, NotFound
from imagelock.model.names import Sha256

_KIND: Final = "conda-repodata-1"
_FORMS: Final = ("repodata.json.zst", "repodata.json")
_LARGEST: Final = 4 << 30
"""Bytes of an index; the largest there is has 400 MB."""
_WINDOW: Final = 1 << 27

Check = Callable[[Path], None]
"""Raises ValueError for a file that is no index."""


class Repodata:
    """Indexes by the URL of their folder, each asked for once."""

    def __init__(self, store: Store, http: Http, check: Check) -> None:
        self._store = store
        self._http = http
        self._check = check
        self._known: dict[str, Path | None] = {}

    def path(self, folder: str) -> Path | None:
        """The index of a folder, whose URL ends in '/'; None where the channel has no such folder.

        NetworkError when it cannot be had, is cut short or is no index.
        """
        if folder not in self._known:
            self._known[folder] = self._path(folder)
        return self._known[folder]

    def local(self, folder: Path) -> Path | None:
        """The index in a folder of the machine, None where there is none."""
        plain, packed = folder / "repodata.json", folder / "repodata.json.zst"
        key = str(folder)
        if key not in self._known:
            path = plain if plain.is_file() else None
            if path is None and packed.is_file():
                with packed.open("rb") as file:
                    chunks = _unpacked(file_chunks(file), packed.name, str(packed))
                    path = self._store.path(self._store.add(chunks, where=str(packed)))
            if path is not None:
                self._checked(path, str(folder))
            self._known[key] = path
        return self._known[key]

    def _path(self, folder: str) -> Path | None:
        key = hashlib.sha256(folder.encode()).hexdigest()
        known = self._remembered(key)
        if self._http.offline:
            if known is None:
                raise NetworkError(
                    "the channel's index is not in the store, and the network is off",
                    where=redact(folder),
                    hint="run once without --offline (or IMAGELOCK_OFFLINE)",
                )
            return self._file(known)
        forms = sorted(_FORMS, key=lambda form: known is None or form != known["form"])
        for form in forms:
            try:
                fresh = self._ask(folder, form, known)
            except NotFound:
                continue
            if fresh != known:
                self._store.keep_record(_KIND, key, fresh)
            return self._file(fresh)
        self._store.keep_record(_KIND, key, {"form": None})
        return None

    def _remembered(self, key: str) -> dict[str, Any] | None:
        """What is known of an index, unless its bytes are gone."""
        record = self._store.record(_KIND, key)
        if not isinstance(record, dict):
            return None
        if record.get("form") is not None and self._file(record) is None:
            return None
        return record

    def _file(self, record: dict[str, Any]) -> Path | None:
        return self._store.find(Sha256(record["sha256"])) if record["form"] else None

    def _ask(self, folder: str, form: str, known: dict[str, Any] | None) -> dict[str, Any]:
        url = folder + form
        asked = known if known is not None and known["form"] == form else {}
        conditions = {
            name: asked[field]
            for name, field in (("If-None-Match", "etag"), ("If-Modified-Since", "modified"))
            if asked.get(field)
        }
        with self._http.answer(
            url, headers=conditions, statuses=frozenset({200, 304} if conditions else {200})
        ) as answer:
            if answer.status == 304:
                return asked
            chunks = _unpacked(answer.chunks, form, redact(url))
            sha256 = self._store.add(chunks, where=redact(url))
            headers = answer.headers
        self._checked(self._store.path(sha256), redact(url))
        return {
            "form": form,
            "sha256": sha256,
            "etag": headers.get("etag"),
            "modified": headers.get("last-modified"),
        }

    def _checked(self, path: Path, where: str) -> None:
        try:
            self._check(path)
        except ValueError as error:
            raise NetworkError(
                f"expected a channel's index, got what cannot be read: {error}",
                where=where,
                hint="the channel is faulty, or something between changed its answer: try again",
            ) from None


def _unpacked(chunks: Iterator[bytes], form: str, where: str) -> Iterator[bytes]:
    """The plain bytes; NetworkError for a stream that is broken, cut short or far too long."""
    plain = _unzstd(chunks, where) if form.endswith(".zst") else chunks
    total = 0
    for chunk in plain:
        total += len(chunk)
        if total > _LARGEST:
            raise NetworkError(f"the index has more than {_LARGEST} bytes", where=where)
        yield chunk


def _unzstd(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    try:
        for chunk in chunks:
            yield unpacker.decompress(chunk)
    except zstandard.ZstdError as error:
        raise NetworkError(f"the index cannot be decompressed ({error})", where=where) from None
    if not unpacker.eof:
        raise NetworkError(
            "the index ends early", where=where, hint="the transfer was cut short: try again"
        )
