"""One Packages file of a suite, from the store or the archive, in the format that is quickest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import quote

from imagelock.fetch.debian.layout import suite_url
from imagelock.fetch.debian.once import Once
from imagelock.fetch.debian.release import Release
from imagelock.fetch.debian.unpack import FORMATS, unpack
from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import NotFound
from imagelock.model.names import Sha256

_RECORDS: Final = "apt-packages"
_SAMPLE: Final = 1 << 20
_QUICK_NETWORK: Final = 14 << 20
"""Bytes a second. xz unpacks some 9 MiB of its input a second and gzip some 60, which is a third
more to fetch: past this rate the network waits for xz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPackages:
    """One Packages file, decompressed, as a file of the store."""

    component: str
    architecture: str
    sha256: Sha256
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPackages:
    """One Packages file as a verified Release lists it; ``path`` is without a suffix."""

    source: AptArchiveSource
    release: Release
    component: str
    architecture: str
    path: str

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The formats it is listed in, the smallest first."""
        return tuple(suffix for suffix in FORMATS if self.path + suffix in self.release.files)

    @property
    def hash(self) -> Sha256:
        """What it is known by: its own hash if that is listed, else that of its first format."""
        listed = self.release.files
        return (listed.get(self.path) or listed[self.path + self.suffixes[0]]).sha256

    def fetched(self, sha256: Sha256, path: Path) -> FetchedPackages:
        """The same as a file."""
        return FetchedPackages(
            component=self.component, architecture=self.architecture, sha256=sha256, path=path
        )


class PackagesFiles:
    """Reads each Packages file once: what the store has by hash is not fetched again."""

    def __init__(self, store: Store, http: Http) -> None:
        self._store = store
        self._http = http
        self._read: Once[FetchedPackages] = Once()

    def read(self, wanted: ListedPackages) -> FetchedPackages:
        """The file, its hash checked. IntegrityError for other bytes than the Release lists."""
        key = (suite_url(wanted.source), wanted.path, wanted.hash)
        return self._read.get(key, lambda: self._stored(wanted) or self._fetched(wanted))

    def stored(self, wanted: ListedPackages) -> FetchedPackages | None:
        """The file if the store has it."""
        return self._stored(wanted)

    def _stored(self, wanted: ListedPackages) -> FetchedPackages | None:
        found = self._plain(wanted)
        if found is None or not self._store.find(found):
            return None
        return wanted.fetched(found, self._store.verify(found))

    def _plain(self, wanted: ListedPackages) -> Sha256 | None:
        """The hash of the decompressed file: as listed, else as an earlier run found it."""
        if wanted.path in wanted.release.files:
            return wanted.hash
        for suffix in wanted.suffixes:
            known = self._store.record(_RECORDS, wanted.release.files[wanted.path + suffix].sha256)
            if isinstance(known, str):
                return Sha256(known)
        return None

    def _fetched(self, wanted: ListedPackages) -> FetchedPackages:
        with ExitStack() as stack:
            suffix, pieces = self._opened(stack, wanted)
            compressed = wanted.release.files[wanted.path + suffix]
            plain = wanted.release.files.get(wanted.path)
            found = unpack(
                pieces,
                suffix=suffix,
                compressed=compressed,
                plain=plain,
                store=self._store,
                where=redact(f"{suite_url(wanted.source)}{wanted.path}{suffix}"),
            )
        if plain is None:
            self._store.keep_record(_RECORDS, compressed.sha256, found)
        return wanted.fetched(found, self._store.path(found))

    def _opened(self, stack: ExitStack, wanted: ListedPackages) -> tuple[str, Iterator[bytes]]:
        """The format and the body of a file: xz, or gzip where the network outruns xz."""
        first, *others = wanted.suffixes
        body = self._body(stack, wanted, first)
        large = wanted.release.files[wanted.path + first].size > 2 * _SAMPLE
        if first != ".xz" or ".gz" not in others or not large:
            return first, body
        begun, rate = _begun(body)
        if rate > _QUICK_NETWORK:
            # A Release may list what the archive does not offer.
            with suppress(NotFound):
                return ".gz", self._body(stack, wanted, ".gz")
        return first, chain(begun, body)

    def _body(self, stack: ExitStack, wanted: ListedPackages, suffix: str) -> Iterator[bytes]:
        """A compressed file, by its hash where the archive offers that, else by its name."""
        folder, path = suite_url(wanted.source), wanted.path + suffix
        if wanted.release.by_hash:
            parent = path.rpartition("/")[0]
            by_hash = f"{parent}/by-hash/SHA256/{wanted.release.files[path].sha256}".lstrip("/")
            with suppress(NotFound):
                return stack.enter_context(self._http.stream(folder + quote(by_hash)))
        return stack.enter_context(self._http.stream(folder + quote(path)))


def _begun(body: Iterator[bytes]) -> tuple[list[bytes], float]:
    """The first pieces of a body, and how many bytes a second they came at."""
    begun: list[bytes] = []
    started = time.perf_counter()
    while sum(map(len, begun)) < _SAMPLE:
        piece = next(body, None)
        if piece is None:
            break
        begun.append(piece)
    return begun, sum(map(len, begun)) / max(time.perf_counter() - started, 1e-6)
