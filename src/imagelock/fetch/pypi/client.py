"""Package indexes as the resolver's port: pages and metadata, fetched ahead by threads.

What was read is kept in the store in the compact form the resolver needs, so that a second
resolution parses nothing again, and an offline one asks nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Self

from imagelock.fetch.http import Http, redact
from imagelock.fetch.pypi.files import direct_file, read_core_metadata
from imagelock.fetch.pypi.pages import ACCEPT, StoredRelease, parse_page
from imagelock.fetch.store import Store
from imagelock.model.errors import ImagelockError, NotFound
from imagelock.model.names import PipName
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, Project, Speculation
from imagelock.resolve.pip.target import TargetTags

_PAGES: Final = "pypi-page-3"
_METADATA: Final = "pypi-metadata-1"
_THREADS: Final = 12
_FLAT: Final = ".html"
"""An index URL that ends so is one page of links to files of any project (pip's find-links)."""


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


_FIELDS: Final = (
    "dynamic",
    "metadata_version",
    "name",
    "provides_extra",
    "requires_dist",
    "requires_python",
    "version",
)


def _metadata_of(record: Any) -> CoreMetadata:  # noqa: ANN401 - JSON of any shape
    """Metadata as kept in the store. KeyError or TypeError for a record of another shape."""
    return CoreMetadata(
        name=record["name"],
        version=record["version"],
        requires_python=record["requires_python"],
        requires_dist=tuple(record["requires_dist"]),
        provides_extra=tuple(record["provides_extra"]),
        metadata_version=record["metadata_version"],
        dynamic=tuple(record["dynamic"]),
    )


def _present(record: dict[str, Any], index: str) -> list[Any] | None:
    """The releases of a record; a flat page without any does not have the project."""
    releases: list[Any] | None = record["releases"]
    return None if index.endswith(_FLAT) and not releases else releases


class SimpleIndexes:
    """Simple API indexes in order of priority: the first that has a project is asked for it.

    A later index never adds files to a project of an earlier one, so that nobody can slip a
    higher version of a private name into a public index (dependency confusion).
    """

    def __init__(
        self,
        store: Store,
        http: Http,
        indexes: Iterable[str],
        *,
        targets: Iterable[PythonTarget] = (),
    ) -> None:
        """``targets`` are all that will be resolved for; without any, every wheel is kept."""
        self._tags = [TargetTags(target) for target in targets]
        self._targets = repr([tags.target for tags in self._tags])
        self._store = store
        self._http = http
        self._indexes = tuple(
            url if url.endswith(_FLAT) else url.rstrip("/") + "/" for url in indexes
        )
        self._projects: dict[PipName, Future[Project]] = {}
        self._metadata: dict[str, Future[CoreMetadata]] = {}
        self._followed: set[tuple[Speculation, PipName]] = set()
        self._lock = threading.Lock()
        self._parsing = threading.Lock()  # one at a time: pages are large, and share one GIL
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def project(self, name: PipName) -> Project:
        """The project of the first index that has it; NotFound when none has."""
        return self._project(name).result()

    def direct(self, url: str) -> IndexFile:
        """The wheel at a URL; without ``#sha256=`` it is fetched to know its hash."""
        return direct_file(self._http, self._store, url)

    def metadata(self, file: IndexFile) -> CoreMetadata:
        """A file's metadata, from ``.metadata``, its tail, or all of it."""
        return self._file_metadata(file).result()

    def expect(self, names: Iterable[PipName], speculation: Speculation) -> None:
        """Fetch the pages, the likely metadata, and what that leads to."""
        if self._http.offline:
            return
        for name in names:
            key = (speculation, name)
            with self._lock:
                if key in self._followed:
                    continue
                self._followed.add(key)
            self._project(name).add_done_callback(lambda done: self._follow(done, speculation))

    def expect_metadata(self, files: Iterable[IndexFile]) -> None:
        """Fetch metadata that will probably be asked for."""
        if not self._http.offline:
            for file in files:
                self._file_metadata(file)

    def _follow(self, done: Future[Project], speculation: Speculation) -> None:
        with contextlib.suppress(Exception):
            project = done.result()
            file = speculation.likely(project)
            if file is not None:

                def arrived(found: Future[CoreMetadata]) -> None:
                    with contextlib.suppress(Exception):
                        names = speculation.follow(project, found.result())
                        self.expect(names, speculation)

                self._file_metadata(file).add_done_callback(arrived)

    def _project(self, name: PipName) -> Future[Project]:
        return self._once(self._projects, name, lambda: self._fetch_project(name))

    def _file_metadata(self, file: IndexFile) -> Future[CoreMetadata]:
        return self._once(self._metadata, file.url, lambda: self._fetch_metadata(file))

    def _once(self, known: dict[Any, Future[Any]], key: object, work: Any) -> Future[Any]:  # noqa: ANN401
        """The future of a key, its work started if nobody did: on a thread, offline at once."""
        with self._lock:
            present = known.get(key)
            if present is not None:
                return present
            if not self._http.offline:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pypi")
                made: Future[Any] = self._pool.submit(work)
                known[key] = made
                return made
            made = known[key] = Future()
        try:
            made.set_result(work())
        except ImagelockError as error:
            made.set_exception(error)
        return made

    def _fetch_project(self, name: PipName) -> Project:
        for index in self._indexes:
            releases = self._fetch_page(index, name)
            if releases is not None:
                return Project(
                    name=name,
                    index=redact(index),
                    releases=[StoredRelease(version, rows) for version, rows in releases],
                )
        raise NotFound(
            f"no index has a project '{name}'",
            where=", ".join(redact(index) for index in self._indexes),
        )

    def _fetch_page(self, index: str, name: PipName) -> list[Any] | None:
        """The releases of one index's page, None when it has none."""
        url = index if index.endswith(_FLAT) else f"{index}{name}/"
        key = _key(redact(url), name, self._targets)
        kept = self._store.record(_PAGES, key)
        record: dict[str, Any] = (
            kept if isinstance(kept, dict) and {"body", "releases"} <= kept.keys() else {}
        )
        if record and self._http.offline:
            return _present(record, index)
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
        if record.get("etag"):
            headers["If-None-Match"] = record["etag"]
        try:
            answer = self._http.get(url, headers=headers, statuses=frozenset({200, 304}))
        except NotFound:
            if record.get("body") != "":
                self._store.keep_record(_PAGES, key, {"body": "", "releases": None})
            return None
        if answer.status == 304:
            return _present(record, index)
        digest = hashlib.sha256(answer.body).hexdigest()
        if record.get("body") != digest:
            from imagelock.fetch.pypi.simple_json import encode

            kind = answer.headers.get("content-type", "")
            with self._parsing:
                releases = parse_page(
                    answer.body,
                    kind,
                    redact(url),
                    name,
                    canonical=self._canonical,
                    fits=self._fits,
                )
            record = {"body": digest, "releases": releases}
            etag = answer.headers.get("etag")
            self._store.keep_json(_PAGES, key, encode({**record, "etag": etag} if etag else record))
        return _present(record, index)

    def _fits(self, wheel: str) -> bool:
        return not self._tags or any(tags.rank(wheel) is not None for tags in self._tags)

    def _canonical(self, url: str) -> str:
        """A file's URL as it may be kept: no mirror, no credentials."""
        url = self._http.canonical(url)
        return redact(url) if "@" in url or "?" in url or "#" in url else url

    def _fetch_metadata(self, file: IndexFile) -> CoreMetadata:
        key = _key(file.url, file.sha256 or "")
        kept = self._store.record(_METADATA, key)
        with contextlib.suppress(KeyError, TypeError):
            return _metadata_of(kept)
        found = read_core_metadata(self._http, self._store, file)
        self._store.keep_record(_METADATA, key, {name: getattr(found, name) for name in _FIELDS})
        return found
