"""The pages of indexes in order of priority: from the store where they did not change."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from imagelock.fetch.http import Http, redact
from imagelock.fetch.pypi.pages import ACCEPT, parse_page
from imagelock.fetch.store import Store
from imagelock.model.archives import is_local
from imagelock.model.errors import NotFound
from imagelock.model.names import PipName
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.target import TargetTags

_PAGES: Final = "pypi-page-3"
_FLAT: Final = ".html"
"""An index URL that ends so is one page of links to files of any project (pip's find-links)."""

Releases = list[Any]
"""``[version, rows]`` each, newest first, as :func:`~imagelock.fetch.pypi.pages.parse_page`."""


def record_key(*parts: str) -> str:
    """The name of a record in the store that depends on these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _is_flat(url: str) -> bool:
    return url.endswith(_FLAT) or is_local(url)


class PageSource:
    """Simple API indexes: the first that has a project is asked for it.

    A later index never adds files to a project of an earlier one, so that nobody can slip a
    higher version of a private name into a public index (dependency confusion).
    """

    def __init__(
        self,
        store: Store,
        http: Http,
        indexes: Iterable[str],
        targets: Sequence[PythonTarget],
        *,
        find_links: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        """``targets`` are all that will be resolved for; without any, every wheel is kept.

        ``find_links`` are folders and pages of links, asked first; those that are paths are
        relative to ``folder``.
        """
        self.store = store
        self.http = http
        self.targets = tuple(targets)
        self.find_links = tuple(find_links)
        self.folder = folder
        named = (url if _is_flat(url) else url.rstrip("/") + "/" for url in indexes)
        self.indexes = tuple(dict.fromkeys((*self.find_links, *named)))
        self._flat = frozenset(url for url in self.indexes if url in find_links or _is_flat(url))
        self._tags = [TargetTags(target) for target in targets]
        self._key = repr([tags.target for tags in self._tags])
        self._parsing = threading.Lock()  # one at a time: pages are large, and share one GIL

    def releases(self, name: PipName) -> tuple[str, Releases]:
        """The index (without credentials) that has a project, and its releases. NotFound."""
        for index in self.indexes:
            found = self._page(index, name)
            if found is not None:
                return redact(index), found
        raise NotFound(
            f"no index has a project '{name}'",
            where=", ".join(redact(index) for index in self.indexes),
        )

    def _page(self, index: str, name: PipName) -> Releases | None:
        """The releases of one index's page, None when it has none."""
        if is_local(index):
            from imagelock.fetch.pypi.folder import local_releases

            return local_releases(index, name, folder=self.folder, fits=self._fits) or None
        url = index if index in self._flat else f"{index}{name}/"
        key = record_key(redact(url), name, self._key)
        kept = self.store.record(_PAGES, key)
        record: dict[str, Any] = (
            kept if isinstance(kept, dict) and {"body", "releases"} <= kept.keys() else {}
        )
        if record and self.http.offline:
            return self._present(record, index)
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
        if record.get("etag"):
            headers["If-None-Match"] = record["etag"]
        try:
            answer = self.http.get(url, headers=headers, statuses=frozenset({200, 304}))
        except NotFound:
            if record.get("body") != "":
                self.store.keep_record(_PAGES, key, {"body": "", "releases": None})
            return None
        if answer.status == 304:
            return self._present(record, index)
        digest = hashlib.sha256(answer.body).hexdigest()
        if record.get("body") != digest:
            from imagelock.fetch.pypi.simple_json import encode

            with self._parsing:
                releases = parse_page(
                    answer.body,
                    answer.headers.get("content-type", ""),
                    redact(url),
                    name,
                    canonical=self._canonical,
                    fits=self._fits,
                )
            record = {"body": digest, "releases": releases}
            etag = answer.headers.get("etag")
            self.store.keep_json(_PAGES, key, encode({**record, "etag": etag} if etag else record))
        return self._present(record, index)

    def _present(self, record: dict[str, Any], index: str) -> Releases | None:
        """The releases of a record; a page of links without any does not have the project."""
        releases: Releases | None = record["releases"]
        return None if index in self._flat and not releases else releases

    def _fits(self, wheel: str) -> bool:
        return not self._tags or any(tags.rank(wheel) is not None for tags in self._tags)

    def _canonical(self, url: str) -> str:
        """A file's URL as it may be kept: no mirror, no credentials."""
        url = self.http.canonical(url)
        return redact(url) if "@" in url or "?" in url or "#" in url else url
