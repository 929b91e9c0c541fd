"""Artifacts by hash: from the store, else from the first URL that has the right bytes.

A lock outlives its mirrors: what a live archive no longer has is asked of its snapshot service,
always by hash. A download that is cut short goes on where it stopped. An archive that is a folder
of this machine needs no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Final

from imagelock.fetch.download import at_range, download
from imagelock.fetch.http import Http, redact
from imagelock.fetch.local import open_local
from imagelock.fetch.store import Store
from imagelock.fetch.trees import add_tree
from imagelock.model.archives import (
    SNAPSHOTS,
    Archive,
    Artifact,
    archive_url,
    artifact_url,
    is_local,
    is_repository,
)
from imagelock.model.errors import IntegrityError, NetworkError
from imagelock.model.lock import AptIndexPin

_PARALLEL: Final = 8
_SHOWN: Final = 5
_SNAPSHOT_LAG: Final = timedelta(hours=12)
"""A snapshot is taken every six hours: one taken by then has what the index listed."""

Progress = Callable[[Artifact, int], None]


def snapshot_archives(indexes: Iterable[AptIndexPin]) -> dict[str, tuple[str, ...]]:
    """Archive name to the URLs of its snapshots that have what these indexes list."""
    found: dict[str, dict[str, None]] = {}
    for index in sorted(indexes, key=lambda pin: (pin.archive, pin.date, pin.suite)):
        template = SNAPSHOTS.get(index.archive)
        if template is not None:
            moment = index.snapshot or f"{index.date + _SNAPSHOT_LAG:%Y%m%dT%H%M%SZ}"
            found.setdefault(index.archive, {})[template.format(id=moment)] = None
    return {name: tuple(urls) for name, urls in found.items()}


class ArtifactFetcher:
    """Fills a store with the artifacts of a lock, several at a time."""

    def __init__(self, store: Store, http: Http, *, folder: Path | None = None) -> None:
        """``folder`` is the lock's context, which archives that are folders are relative to."""
        self._store = store
        self._http = http
        self._folder = folder

    def fetch(
        self,
        artifacts: Iterable[Artifact],
        archives: tuple[Archive, ...] = (),
        *,
        progress: Progress = lambda _artifact, _size: None,
        fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    ) -> dict[str, Path]:
        """The file of every artifact by sha256, fetched where the store has none.

        ``progress`` is called from several threads with the bytes that arrived (negative when
        they have to be thrown away). ``fallbacks`` names more archive URLs to try by archive
        name, as :func:`snapshot_archives` gives. NetworkError when no source answers,
        IntegrityError when all that answer serve other bytes.
        """
        wanted = {artifact.sha256: artifact for artifact in artifacts}
        missing = [artifact for key, artifact in wanted.items() if not self._store.find(key)]
        remote = [item for item in missing if not _is_here(archive_url(item.archive, archives))]
        if remote and self._http.offline:
            raise _all_missing(remote)
        if missing:
            self._fetch_all(missing, archives, fallbacks or {}, progress)
        return {key: self._store.path(key) for key in wanted}

    def _fetch_all(
        self,
        missing: list[Artifact],
        archives: tuple[Archive, ...],
        fallbacks: Mapping[str, tuple[str, ...]],
        progress: Progress,
    ) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            futures = [
                pool.submit(self._one, artifact, _roots(artifact, archives, fallbacks), progress)
                for artifact in missing
            ]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()

    def _one(self, artifact: Artifact, roots: tuple[str, ...], progress: Progress) -> None:
        failures: list[NetworkError | IntegrityError] = []
        for root in roots:
            try:
                self._from_archive(artifact, root, progress)
            except (NetworkError, IntegrityError) as error:
                failures.append(error)
            else:
                return
        # Wrong bytes say more than a server that does not answer.
        wrong = [error for error in failures if isinstance(error, IntegrityError)]
        raise (wrong or failures)[0]

    def _from_archive(self, artifact: Artifact, root: str, progress: Progress) -> None:
        if is_repository(root) or artifact.path == ".":
            add_tree(self._store, artifact, root, folder=self._folder, offline=self._http.offline)
            progress(artifact, artifact.size)
            return
        url = artifact_url(artifact, (Archive(name=artifact.archive, url=root),))

        def open_from(start: int) -> AbstractContextManager[Iterator[bytes]]:
            if is_local(url):
                return open_local(self._folder, url, root=root, start=start)
            headers, statuses = at_range(start)
            return self._http.stream(url, headers=headers, statuses=statuses)

        download(
            self._store,
            open_from,
            sha256=artifact.sha256,
            size=artifact.size,
            where=redact(url),
            progress=lambda size: progress(artifact, size),
        )


def _is_here(root: str) -> bool:
    """Whether an archive is on this machine."""
    return is_local(root.removeprefix("git+"))


def _roots(
    artifact: Artifact, archives: tuple[Archive, ...], fallbacks: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    return (archive_url(artifact.archive, archives), *fallbacks.get(artifact.archive, ()))


def _all_missing(missing: list[Artifact]) -> NetworkError:
    names = [artifact.filename for artifact in missing[:_SHOWN]]
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    what = "1 artifact is" if len(missing) == 1 else f"{len(missing)} artifacts are"
    return NetworkError(
        f"{what} not in the store, and the network is off",
        where=", ".join(names) + more,
        hint="run `imagelock fetch LOCK` once with a network",
    )
