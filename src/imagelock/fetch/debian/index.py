"""Suites in the store, whole or not at all: signed Releases, then the Packages files they list."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagelock.fetch.debian.layout import wanted_packages
from imagelock.fetch.debian.packages import FetchedPackages, ListedPackages, PackagesFiles
from imagelock.fetch.debian.release import Release
from imagelock.fetch.debian.releases import Releases
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.debian import AptArchiveSource
from imagelock.model.names import Sha256

_PARALLEL: Final = 8

Wanted = tuple[tuple[AptArchiveSource, ...], tuple[str, ...]]
"""Sources, and the architectures to read of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedIndex:
    """A suite: its source, its signed Release, and its Packages files in the order asked."""

    source: AptArchiveSource
    release: Release
    packages: tuple[FetchedPackages, ...]


class DebianIndexes:
    """Reads suites through the store; one of these goes by one state of every suite."""

    def __init__(self, store: Store, http: Http, *, now: datetime) -> None:
        self._releases = Releases(store, http, now=now)
        self._files = PackagesFiles(store, http)

    def fetch(
        self, sources: tuple[AptArchiveSource, ...], architectures: tuple[str, ...]
    ) -> tuple[FetchedIndex, ...]:
        """Every suite with its Packages files for these architectures, native first.

        IntegrityError names the source that cannot be trusted, NotFound a suite that does not
        exist.
        """
        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                self._read_at_once([(sources, architectures)], pool)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        return tuple(self._suite(source, architectures) for source in sources)

    @contextmanager
    def reading_ahead(self, wanted: Iterable[Wanted]) -> Iterator[None]:
        """Read suites that :meth:`fetch` will be asked for; failures are told then.

        Nothing is read any more when the context ends, and nothing new is begun as soon as it does.
        """
        listed = list(wanted)
        pool = ThreadPoolExecutor(_PARALLEL)

        def read() -> None:
            with suppress(Exception):  # kept for whoever asks
                self._read_at_once(listed, pool)

        reader = threading.Thread(target=read, name="apt-indexes")
        if listed:
            reader.start()
        try:
            yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if listed:
                reader.join()

    def stored(
        self, source: AptArchiveSource, pin: Sha256, architectures: tuple[str, ...]
    ) -> FetchedIndex | None:
        """A suite as it was, if all of it is still in the store."""
        release = self.release(source, pin)
        packages: list[FetchedPackages] = []
        for listed in _listed(source, release, architectures):
            found = self._files.stored(listed)
            if found is None:
                return None
            packages.append(found)
        return FetchedIndex(source=source, release=release, packages=tuple(packages))

    def release(self, source: AptArchiveSource, pin: Sha256 | None = None) -> Release:
        """The suite's signed Release: by hash from the store if pinned, else the live one."""
        return self._releases.read(source, pin)

    def _suite(self, source: AptArchiveSource, architectures: tuple[str, ...]) -> FetchedIndex:
        release = self.release(source)
        packages = tuple(map(self._files.read, _listed(source, release, architectures)))
        return FetchedIndex(source=source, release=release, packages=packages)

    def _read_at_once(self, wanted: list[Wanted], pool: Executor) -> None:
        """Read all Releases side by side, and every Packages file as soon as it is known.

        Of several failures the one of the first source is raised.
        """
        releases = {
            pool.submit(self.release, source): (source, architectures)
            for sources, architectures in wanted
            for source in sources
        }
        files: dict[Future[Release], list[Future[FetchedPackages]]] = {}
        for done in as_completed(releases):
            if done.exception() is None:
                source, architectures = releases[done]
                listed = _listed(source, done.result(), architectures)
                files[done] = [pool.submit(self._files.read, item) for item in listed]
        for done in releases:
            done.result()
        for done in releases:
            for file in files[done]:
                file.result()


def _listed(
    source: AptArchiveSource, release: Release, architectures: tuple[str, ...]
) -> Iterator[ListedPackages]:
    for component, architecture, path in wanted_packages(source, release, architectures):
        yield ListedPackages(
            source=source,
            release=release,
            component=component,
            architecture=architecture,
            path=path,
        )
