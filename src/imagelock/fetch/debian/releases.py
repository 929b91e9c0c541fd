"""The signed Release files of suites: live, by hash from the store, or the newest kept one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

from imagelock.fetch.debian.layout import base_url, check_suite, suite_url
from imagelock.fetch.debian.once import Once
from imagelock.fetch.debian.release import Release, check_validity, parse_release, verified
from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import IntegrityError, NotFound
from imagelock.model.names import Sha256

_RECORDS: Final = "apt-release"

_Signed = tuple[Sha256, Sha256 | None]
"""A Release, and its detached signature if it needs one, in the store."""


class Releases:
    """Reads and verifies each suite's Release once."""

    def __init__(self, store: Store, http: Http, *, now: datetime) -> None:
        self._store = store
        self._http = http
        self._now = now
        self._newest: Once[_Signed] = Once()
        self._verified: Once[Release] = Once()

    def read(self, source: AptArchiveSource, pin: Sha256 | None = None) -> Release:
        """The suite's signed Release: by hash from the store if pinned, else the live one.

        IntegrityError names the source that cannot be trusted, NotFound a missing suite.
        """
        key = (replace(source, components=()), pin)
        return self._verified.get(key, lambda: self._read(source, pin))

    def _read(self, source: AptArchiveSource, pin: Sha256 | None) -> Release:
        where = f"{redact(base_url(source))} {source.suite}"
        if pin is not None and self._store.find(pin):
            return self._verify(source, (pin, self._signature_of(pin)), where)
        found = self._newest.get(suite_url(source), lambda: self._fetch(source))
        release = self._verify(source, found, where)
        if source.snapshot is None and not self._http.offline:
            check_validity(release, self._now, where=where)
        self._remember(source, found)
        return release

    def _fetch(self, source: AptArchiveSource) -> _Signed:
        if self._http.offline:
            known = self._store.record(_RECORDS, _source_key(source))
            if isinstance(known, list):
                return Sha256(str(known[0])), Sha256(str(known[1])) if known[1] else None
        folder = suite_url(source)
        try:
            data = self._http.get(f"{folder}InRelease").body
        except NotFound:
            return self._fetch_detached(source, folder)
        return self._store.add_bytes(data), None

    def _fetch_detached(self, source: AptArchiveSource, folder: str) -> _Signed:
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

    def _verify(self, source: AptArchiveSource, found: _Signed, where: str) -> Release:
        data, detached = found
        signed, signer = verified(
            self._store.read(data),
            keyrings=source.keyrings,
            fingerprints=source.fingerprints,
            detached=self._store.read(detached) if detached else None,
            where=where,
        )
        release = parse_release(signed, sha256=data, signed_by=signer, where=where)
        check_suite(source, release, where)
        return release

    def _remember(self, source: AptArchiveSource, found: _Signed) -> None:
        self._store.keep_record(_RECORDS, _source_key(source), list(found))
        data, detached = found
        if detached:
            self._store.keep_record(_RECORDS, data, list(found))

    def _signature_of(self, data: Sha256) -> Sha256 | None:
        known = self._store.record(_RECORDS, data)
        return Sha256(str(known[1])) if isinstance(known, list) and known[1] else None


def _source_key(source: AptArchiveSource) -> str:
    return hashlib.sha256(suite_url(source).encode()).hexdigest()
