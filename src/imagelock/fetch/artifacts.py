"""Artifacts by hash: from the store, else from the first URL that has the right bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagelock.fetch.http import Http, redact
from imagelock.fetch.store import Store
from imagelock.model.archives import Archive, Artifact, artifact_url
from imagelock.model.errors import IntegrityError, NetworkError

_PARALLEL = 8


class ArtifactFetcher:
    """Fills a store with the artifacts of a lock, several at a time."""

    def __init__(self, store: Store, http: Http) -> None:
        self._store = store
        self._http = http

    def fetch(
        self,
        artifacts: Iterable[Artifact],
        archives: tuple[Archive, ...] = (),
        *,
        progress: Callable[[Artifact, int], None] = lambda _artifact, _size: None,
    ) -> dict[str, Path]:
        """The file of every artifact by sha256, fetched where the store has none.

        ``progress`` is called from several threads with the bytes that arrived. NetworkError
        when no source answers, IntegrityError when one serves other bytes.
        """
        wanted = {artifact.sha256: artifact for artifact in artifacts}
        missing = [artifact for key, artifact in wanted.items() if not self._store.find(key)]
        if missing:
            with ThreadPoolExecutor(_PARALLEL) as pool:
                fetched = [pool.submit(self._one, item, archives, progress) for item in missing]
                for future in fetched:
                    future.result()
        return {key: self._store.path(key) for key in wanted}

    def _one(
        self,
        artifact: Artifact,
        archives: tuple[Archive, ...],
        progress: Callable[[Artifact, int], None],
    ) -> None:
        url = artifact_url(artifact, archives)

        def counted(chunks: Iterator[bytes]) -> Iterator[bytes]:
            received = 0
            for chunk in chunks:
                received += len(chunk)
                if received > artifact.size:
                    raise IntegrityError(
                        f"expected {artifact.size} bytes, got more", where=redact(url)
                    )
                progress(artifact, len(chunk))
                yield chunk
            if received < artifact.size:
                raise NetworkError(
                    f"expected {artifact.size} bytes, got {received}",
                    where=redact(url),
                    hint="the download was cut short: try again",
                )

        with self._http.stream(url) as chunks:
            self._store.add(counted(chunks), expected=artifact.sha256, where=redact(url))
