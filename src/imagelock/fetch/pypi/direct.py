"""What requirements name by URL: wheels, sdists, projects' folders, commits of repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagelock.fetch.git import GitRepository
from imagelock.fetch.http import Http, redact
from imagelock.fetch.local import open_local
from imagelock.fetch.store import Store
from imagelock.fetch.trees import folder_tar
from imagelock.model.archives import (
    Archive,
    Artifact,
    artifact_url,
    is_local,
    is_repository,
    local_path,
    local_reference,
    located,
    repository_parts,
)
from imagelock.model.errors import NotFound, UsageError
from imagelock.model.names import Sha256, sha256
from imagelock.resolve.pip.ports import IndexFile


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectFiles:
    """Finds the files of URLs, and brings into the store what has no hash yet.

    ``folder`` is the spec's, which paths are relative to. ``kept`` are the files that the lock
    has for URLs which may change what they mean: a branch stays where it was locked.
    """

    store: Store
    http: Http
    folder: Path | None = None
    kept: Mapping[str, IndexFile] = field(default_factory=dict)

    def file(self, url: str) -> IndexFile:
        """The file at a URL. NotFound, NetworkError, or UsageError for a URL no lock may hold."""
        kept = self.kept.get(url)
        if kept is not None:
            return kept
        if is_repository(url):
            return self._commit(url)
        if is_local(url):
            return self._local(url)
        return self._remote(url)

    def at_hand(self, file: IndexFile) -> Path:
        """The file's bytes, fetched by its hash where the store lacks them."""
        assert file.sha256 is not None
        digest = Sha256(file.sha256)
        found = self.store.find(digest)
        if found is not None:
            return found
        root, path = located(file.url)
        if is_repository(root) or is_local(root):
            from imagelock.fetch.artifacts import ArtifactFetcher

            artifact = Artifact(archive="archive", path=path, sha256=digest, size=file.size or 0)
            archives = (Archive(name="archive", url=root),)
            fetcher = ArtifactFetcher(self.store, self.http, folder=self.folder)
            return fetcher.fetch((artifact,), archives)[digest]
        with self.http.stream(file.url) as chunks:
            self.store.add(chunks, expected=digest, where=file.url)
        return self.store.path(digest)

    def _commit(self, url: str) -> IndexFile:
        root, ref, folder = repository_parts(url)
        repository = GitRepository(
            root, store=self.store, folder=self.folder, offline=self.http.offline
        )
        commit = repository.commit_of(ref)
        digest = self.store.add(repository.tree_tar(commit), where=root)
        artifact = Artifact(
            archive="git",
            path=f"{commit}/{folder}" if folder else commit,
            sha256=digest,
            size=self.store.path(digest).stat().st_size,
        )
        return _of_artifact(artifact, root)

    def _local(self, url: str) -> IndexFile:
        if self.folder is None:
            raise UsageError("a path cannot be found without the spec's folder", where=url)
        plain, _, fragment = url.partition("#")
        path = local_path(plain)
        place = self.folder / path
        if place.is_dir():
            digest = self.store.add(folder_tar(place), where=plain)
            root, name = local_reference(path), "."
        elif place.is_file():
            folder, _, name = path.rpartition("/")
            root = local_reference(folder or ".")
            with open_local(self.folder, plain, root=root) as chunks:
                digest = self.store.add(chunks, expected=_promised(fragment, plain), where=plain)
        else:
            hint = "paths are relative to the spec's folder"
            raise NotFound("there is no such file or folder", where=str(place), hint=hint)
        size = self.store.path(digest).stat().st_size
        return _of_artifact(Artifact(archive="local", path=name, sha256=digest, size=size), root)

    def _remote(self, url: str) -> IndexFile:
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query:
            raise UsageError(
                "a URL with credentials or a query cannot be locked",
                where=redact(url),
                hint="put credentials into ~/.netrc",
            )
        plain = redact(url)
        expected = _promised(parts.fragment, plain)
        if expected is None:
            with self.http.stream(plain) as chunks:
                expected = self.store.add(chunks, where=plain)
        known = self.store.find(expected)
        return IndexFile(
            filename=unquote(parts.path.rpartition("/")[2]),
            url=plain,
            sha256=expected,
            size=known.stat().st_size if known else None,
        )


def _promised(fragment: str, where: str) -> Sha256 | None:
    """The hash behind a URL. It is believed until the file is fetched."""
    algorithm, _, digest = fragment.partition("=")
    if algorithm != "sha256" or not digest:
        return None
    try:
        return sha256(digest)
    except ValueError as error:
        raise UsageError(str(error), where=where) from error


def _of_artifact(artifact: Artifact, root: str) -> IndexFile:
    return IndexFile(
        filename=artifact.filename,
        url=artifact_url(artifact, (Archive(name=artifact.archive, url=root),)),
        sha256=artifact.sha256,
        size=artifact.size,
    )
