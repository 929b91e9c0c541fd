"""Fetch a suite's signed index and its Packages files into the store, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from imagelock.fetch.debian.layout import base_url, check_suite, suite_url, wanted_packages
from imagelock.fetch.debian.release import (
    ListedFile,
    Release,
    check_validity,
    parse_release,
    verified,
)
from imagelock.fetch.debian.unpack import FORMATS, unpack
from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import IntegrityError, NotFound
from imagelock.model.names import Sha256

_RELEASES: Final = "apt-release"
_PACKAGES: Final = "apt-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPackages:
    """One Packages file, decompressed, as a file of the store."""

    component: str
    architecture: str
    sha256: Sha256
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedIndex:
    """A suite: its source, its signed Release, and its Packages files in the order asked."""

    source: AptArchiveSource
    release: Release
    packages: tuple[FetchedPackages, ...]


class DebianIndexes:
    """Reads suites through the store: what is there by hash is not fetched again."""

    def __init__(self, store: Store, http: Http, *, now: datetime) -> None:
        self._store = store
        self._http = http
        self._now = now

    def fetch(
        self,
        sources: tuple[AptArchiveSource, ...],
        architectures: tuple[str, ...],
        *,
        pinned: Mapping[tuple[str, str], Sha256] | None = None,
    ) -> tuple[FetchedIndex, ...]:
        """Every suite with its Packages files for these architectures, native first.

        ``pinned`` gives the hash of the Release to use by (archive, suite): it is taken from
        the store when it is there. IntegrityError names the source that cannot be trusted,
        NotFound a suite that does not exist.
        """
        with ThreadPoolExecutor(max_workers=max(len(sources), 1)) as pool:
            jobs = [
                pool.submit(
                    self._suite,
                    source,
                    architectures,
                    (pinned or {}).get((source.archive, source.suite)),
                )
                for source in sources
            ]
            return tuple(job.result() for job in jobs)

    def _suite(
        self, source: AptArchiveSource, architectures: tuple[str, ...], pin: Sha256 | None
    ) -> FetchedIndex:
        release = self.release(source, pin)
        packages = tuple(
            self._packages(source, release, component, architecture, path)
            for component, architecture, path in wanted_packages(source, release, architectures)
        )
        return FetchedIndex(source=source, release=release, packages=packages)

    def stored(
        self, source: AptArchiveSource, pin: Sha256, architectures: tuple[str, ...]
    ) -> tuple[FetchedIndex, ...]:
        """A suite as it was, if all of it is still in the store; else nothing."""
        release = self.release(source, pin)
        packages: list[FetchedPackages] = []
        for component, architecture, path in wanted_packages(source, release, architectures):
            found = self._stored_packages(release, path)
            if found is None:
                return ()
            packages.append(
                FetchedPackages(
                    component=component,
                    architecture=architecture,
                    sha256=found,
                    path=self._store.verify(found),
                )
            )
        return (FetchedIndex(source=source, release=release, packages=tuple(packages)),)

    def _stored_packages(self, release: Release, path: str) -> Sha256 | None:
        plain = release.files.get(path)
        suffix = next(suffix for suffix in FORMATS if path + suffix in release.files)
        found = plain.sha256 if plain else self._known(release.files[path + suffix].sha256)
        return found if found and self._store.find(found) else None

    def release(self, source: AptArchiveSource, pin: Sha256 | None = None) -> Release:
        """The suite's signed Release: by hash from the store if pinned, else the live one."""
        where = f"{redact(base_url(source))} {source.suite}"
        if pin is not None and self._store.find(pin):
            return self._verify(source, pin, self._record_of(pin), where)
        found, detached = self._newest(source)
        release = self._verify(source, found, detached, where)
        if source.snapshot is None and not self._http.offline:
            check_validity(release, self._now, where=where)
        self._remember(source, found, detached)
        return release

    def _newest(self, source: AptArchiveSource) -> tuple[Sha256, Sha256 | None]:
        """The hashes of the newest Release and of its detached signature, if it needs one."""
        if self._http.offline:
            known = self._store.record(_RELEASES, _source_key(source))
            if isinstance(known, list):
                return Sha256(str(known[0])), Sha256(str(known[1])) if known[1] else None
        folder = suite_url(source)
        try:
            data = self._http.get(f"{folder}InRelease").body
        except NotFound:
            return self._detached_release(source, folder)
        return self._store.add_bytes(data), None

    def _detached_release(
        self, source: AptArchiveSource, folder: str
    ) -> tuple[Sha256, Sha256 | None]:
        try:
            data = self._http.get(f"{folder}Release").body
        except NotFound:
            raise NotFound(
                f"the archive has no suite '{source.suite}'",
                where=redact(folder),
                hint="check the suite's name, or the snapshot's date",
            ) from None
        try:
            signature = self._http.get(f"{folder}Release.gpg").body
        except NotFound:
            raise IntegrityError(
                "the index is not signed",
                where=redact(folder),
                hint="only signed archives are accepted",
            ) from None
        return self._store.add_bytes(data), self._store.add_bytes(signature)

    def _verify(
        self, source: AptArchiveSource, found: Sha256, detached: Sha256 | None, where: str
    ) -> Release:
        signed, signer = verified(
            self._store.read(found),
            keyrings=source.keyrings,
            fingerprints=source.fingerprints,
            detached=self._store.read(detached) if detached else None,
            where=where,
        )
        release = parse_release(signed, sha256=found, signed_by=signer, where=where)
        check_suite(source, release, where)
        return release

    def _remember(self, source: AptArchiveSource, found: Sha256, detached: Sha256 | None) -> None:
        self._store.keep_record(_RELEASES, _source_key(source), [found, detached])
        if detached:
            self._store.keep_record(_RELEASES, found, [found, detached])

    def _record_of(self, found: Sha256) -> Sha256 | None:
        known = self._store.record(_RELEASES, found)
        return Sha256(str(known[1])) if isinstance(known, list) and known[1] else None

    def _packages(
        self,
        source: AptArchiveSource,
        release: Release,
        component: str,
        architecture: str,
        listed_path: str,
    ) -> FetchedPackages:
        found = self._stored_packages(release, listed_path)
        if found is None:
            plain = release.files.get(listed_path)
            suffix = next(suffix for suffix in FORMATS if listed_path + suffix in release.files)
            listed = release.files[listed_path + suffix]
            where = redact(f"{suite_url(source)}{listed_path}{suffix}")
            with self._body(source, release, listed_path + suffix, listed) as pieces:
                found = unpack(
                    pieces,
                    suffix=suffix,
                    compressed=listed,
                    plain=plain,
                    store=self._store,
                    where=where,
                )
            if plain is None:
                self._store.keep_record(_PACKAGES, listed.sha256, found)
            path = self._store.path(found)
        else:
            path = self._store.verify(found)
        return FetchedPackages(
            component=component, architecture=architecture, sha256=found, path=path
        )

    @contextmanager
    def _body(
        self, source: AptArchiveSource, release: Release, path: str, listed: ListedFile
    ) -> Iterator[Iterator[bytes]]:
        """The compressed file, by its hash where the archive offers that, else by its name."""
        with ExitStack() as stack:
            yield self._opened(stack, source, release, path, listed)

    def _opened(
        self,
        stack: ExitStack,
        source: AptArchiveSource,
        release: Release,
        path: str,
        listed: ListedFile,
    ) -> Iterator[bytes]:
        folder = suite_url(source)
        if release.by_hash:
            parent = path.rpartition("/")[0]
            by_hash = f"{parent}/by-hash/SHA256/{listed.sha256}".lstrip("/")
            with suppress(NotFound):
                return stack.enter_context(self._http.stream(folder + quote(by_hash)))
        return stack.enter_context(self._http.stream(folder + quote(path)))

    def _known(self, compressed: Sha256) -> Sha256 | None:
        known = self._store.record(_PACKAGES, compressed)
        return Sha256(known) if isinstance(known, str) else None


def _source_key(source: AptArchiveSource) -> str:
    return hashlib.sha256(suite_url(source).encode()).hexdigest()
