"""Package indexes as the resolver's port: pages and metadata, fetched ahead by threads.

What was read is kept in the store in the compact form the resolver needs, so that a second
resolution parses nothing again, and an offline one asks nobody.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from imagelock.fetch.http import Http
from imagelock.fetch.pypi.direct import DirectFiles
from imagelock.fetch.pypi.files import check_same, metadata_in, read_core_metadata
from imagelock.fetch.pypi.page_source import PageSource, Releases, record_key
from imagelock.fetch.pypi.pages import StoredRelease
from imagelock.fetch.pypi.source import static_metadata_of
from imagelock.fetch.store import Store
from imagelock.model.archives import is_local, is_repository
from imagelock.model.errors import ImagelockError, NotFound
from imagelock.model.names import PipName, Sha256
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, Project, Speculation

if TYPE_CHECKING:
    from imagelock.fetch.pypi.page_process import PageProcess

_METADATA: Final = "pypi-metadata-1"
_CHECKED: Final = "checked"
"""The key of a record that is false while the wheel itself was not compared with it."""
_THREADS: Final = 12
_ENOUGH: Final = 8
"""Projects from which on a second process reads pages: it costs a tenth of a second to start."""
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


def _project_of(name: PipName, found: tuple[str, Releases]) -> Project:
    index, releases = found
    return Project(
        name=name,
        index=index,
        releases=[StoredRelease(version, rows) for version, rows in releases],
    )


def _pass_on(name: PipName, done: Future[tuple[str, Releases]], to: Future[Project]) -> None:
    error = done.exception()
    if error is not None:
        to.set_exception(error)
    else:
        to.set_result(_project_of(name, done.result()))


Describe = Callable[[IndexFile], CoreMetadata]
"""Reads the metadata of an sdist or a source tree, by whatever that takes."""


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
        find_links: Iterable[str] = (),
        direct: DirectFiles | None = None,
        described: Describe | None = None,
    ) -> None:
        """``targets`` are all that will be resolved for; without any, every wheel is kept.

        ``find_links`` are folders and pages of links to files of any projects, asked first.
        ``direct`` finds what is named by URL, ``described`` reads the metadata of sources.
        """
        self.direct_files = direct or DirectFiles(store=store, http=http)
        self._described = described or static_metadata_of(store)
        self._source = PageSource(
            store,
            http,
            indexes,
            tuple(targets),
            find_links=tuple(find_links),
            folder=self.direct_files.folder,
        )
        self._store = store
        self._http = http
        self._pages: PageProcess | None = None
        self._started = False
        self._projects: dict[PipName, Future[Project]] = {}
        self._metadata: dict[str, Future[CoreMetadata]] = {}
        self._followed: set[tuple[Speculation, PipName]] = set()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pages is not None:
            self._pages.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def project(self, name: PipName) -> Project:
        """The project of the first index that has it; NotFound when none has."""
        return self._project(name).result()

    def direct(self, url: str) -> IndexFile:
        """What a URL or path stands for; without ``#sha256=`` it is fetched to know its hash."""
        return self.direct_files.file(url)

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
        with self._lock:
            known = self._projects.get(name)
            if known is None and self._elsewhere():
                known = self._asked_elsewhere(name)
        return known or self._once(self._projects, name, lambda: self._fetch_project(name))

    def _elsewhere(self) -> bool:
        """Whether a second process reads pages; it is started once there are enough of them."""
        if not self._started and len(self._projects) >= _ENOUGH and not self._http.offline:
            from imagelock.fetch.pypi.page_process import start

            self._started = True
            self._pages = start(self._source, self._here)
        return self._pages is not None

    def _asked_elsewhere(self, name: PipName) -> Future[Project] | None:
        assert self._pages is not None
        made: Future[Project] = Future()
        asked: Future[tuple[str, Releases]] = Future()
        if not self._pages.ask(name, asked):
            return None
        self._projects[name] = made
        asked.add_done_callback(lambda done: _pass_on(name, done, made))
        return made

    def _here(self, name: PipName, future: Future[tuple[str, Releases]]) -> None:
        """Fetch what the second process left."""
        try:
            future.set_result(self._source.releases(name))
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
            future.set_exception(error)

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
        return _project_of(name, self._source.releases(name))

    def _fetch_metadata(self, file: IndexFile) -> CoreMetadata:
        if not file.is_wheel:
            # It hangs on what its backend is told too: who describes sources knows, and keeps it.
            return self._read_metadata(file)
        key = record_key(file.url, file.sha256 or "")
        kept = self._store.record(_METADATA, key)
        found, checked = None, True
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            found = _metadata_of(kept)
            checked = not isinstance(kept, dict) or kept.get(_CHECKED, True)
        if found is None:
            found = self._read_metadata(file)
            # What lies beside a wheel is believed until the wheel itself is at hand.
            checked = file.metadata_sha256 is None
        elif checked or not self._has(file):
            return found
        if not checked and self._has(file):
            check_same(found, metadata_in(self._store.path(Sha256(file.sha256 or "")), file), file)
            checked = True
        fields = {name: getattr(found, name) for name in _FIELDS}
        self._store.keep_record(
            _METADATA, key, {**fields, **({} if checked else {_CHECKED: False})}
        )
        return found

    def _has(self, file: IndexFile) -> bool:
        return file.sha256 is not None and self._store.find(Sha256(file.sha256)) is not None

    def _read_metadata(self, file: IndexFile) -> CoreMetadata:
        if file.is_wheel:
            if is_local(file.url):
                self.direct_files.at_hand(file)
            return read_core_metadata(self._http, self._store, file)
        if not (is_local(file.url) or is_repository(file.url)):
            with contextlib.suppress(NotFound):
                return read_core_metadata(self._http, self._store, file)
        self.direct_files.at_hand(file)
        return self._described(file)
