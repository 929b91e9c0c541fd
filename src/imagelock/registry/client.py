"""The registry API (OCI distribution-spec): manifests and blobs, with authorization."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from imagelock.fetch.download import at_range, download
from imagelock.fetch.http import Http, Response, redact
from imagelock.fetch.mirrors import mirrors_from_environment
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.image import Descriptor
from imagelock.model.names import Digest, hash_of
from imagelock.model.names import digest as checked_digest
from imagelock.registry.authorization import parse_challenge, refused
from imagelock.registry.credentials import find_credential
from imagelock.registry.endpoint import CredentialFinder, Endpoint, make_endpoint
from imagelock.registry.manifest import ACCEPT, LARGEST_MANIFEST
from imagelock.registry.reference import Reference

ANY_STATUS: Final = frozenset(range(200, 600))
PULL: Final = "pull"
PUSH: Final = "pull,push"
_NOT_ALLOWED: Final = 405


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What HEAD says of a manifest. ``digest`` is None when the registry does not say it."""

    digest: Digest | None
    media_type: str


class RegistryClient:
    """Speaks to any number of registries; safe to use from several threads."""

    def __init__(
        self,
        http: Http,
        store: Store,
        *,
        credentials: CredentialFinder = find_credential,
        mirrors: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self._store = store
        self._credentials = credentials
        self._mirrors = mirrors_from_environment() if mirrors is None else mirrors
        self._environment = dict(os.environ) if environment is None else environment
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.Lock()

    def head(self, reference: Reference) -> Head | None:
        """What the registry has under a tag or digest, None where there is nothing (404)."""
        path = f"manifests/{reference.selector}"
        answer = self.request("HEAD", reference, path, headers={"Accept": ACCEPT})
        if answer.status == _NOT_ALLOWED:
            answer = self.request("GET", reference, path, headers={"Accept": ACCEPT})
        if answer.status in {404, 410}:
            return None
        if answer.status != 200:
            raise unexpected(answer, reference)
        named = answer.headers.get("docker-content-digest")
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Head(digest=_digest_or_none(named), media_type=media_type)

    def manifest(self, reference: Reference) -> tuple[bytes, Digest]:
        """The manifest's bytes and their digest, checked when the reference has one. NotFound."""
        path = f"manifests/{reference.selector}"
        with self._stream(reference, path, {"Accept": ACCEPT}) as chunks:
            data = _limited(chunks, LARGEST_MANIFEST, str(reference))
        found = Digest("sha256:" + hashlib.sha256(data).hexdigest())
        if reference.digest is not None and found != reference.digest:
            raise IntegrityError(
                f"expected the manifest {reference.digest}, got {found}",
                where=str(reference),
                hint="the registry or a mirror changed it: do not use it before you know why",
            )
        return data, found

    @contextmanager
    def blob(
        self, reference: Reference, digest: Digest, *, start: int = 0
    ) -> Iterator[Iterator[bytes]]:
        """The blob's bytes from ``start`` on as they arrive, not checked. NotFound."""
        headers, statuses = at_range(start)
        with self._stream(reference, f"blobs/{digest}", headers, statuses) as chunks:
            yield chunks

    def request(
        self,
        method: str,
        reference: Reference,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        action: str = PULL,
        also: tuple[str, ...] = (),
    ) -> Response:
        """Any request under the reference's repository; ``path`` may be a whole URL (an upload's).

        The answer has any status but 401, which is answered with a token or password; ``also``
        names more repositories that the token must be good for (to mount blobs from).
        """
        endpoint = self._endpoint(reference)
        url = self.url(reference, path)
        scopes = self._scopes(reference, action, also)
        if not url.startswith(endpoint.root):
            # An upload may be sent to a storage service: the registry's token is not its business.
            return endpoint.http.request(
                method, url, headers=headers, body=body, statuses=ANY_STATUS
            )
        sent = endpoint.authorizer.header(scopes)
        for _attempt in range(2):
            answer = endpoint.http.request(
                method,
                url,
                headers=_with_authorization(headers, sent),
                body=body,
                statuses=ANY_STATUS,
            )
            if answer.status != 401:
                endpoint.authorizer.settled(scopes)
                return answer
            challenge = parse_challenge(answer.headers.get("www-authenticate", ""))
            sent = endpoint.authorizer.answer(challenge, scopes, url=url, stale=sent)
        raise refused(url, "the registry does not allow this (HTTP 401)")

    def url(self, reference: Reference, path: str) -> str:
        """The canonical URL of a path under the repository; whole URLs and absolute paths too."""
        endpoint = self._endpoint(reference)
        joined = urljoin(f"{endpoint.root}v2/{reference.repository}/", path)
        # Behind a proxy that ends TLS, registries name themselves with http.
        host = urlsplit(endpoint.root).netloc
        if urlsplit(joined).netloc == host:
            joined = endpoint.root + joined.partition(f"{host}/")[2]
        return endpoint.http.canonical(joined)

    @contextmanager
    def _stream(
        self,
        reference: Reference,
        path: str,
        headers: Mapping[str, str],
        statuses: frozenset[int] = frozenset({200}),
    ) -> Iterator[Iterator[bytes]]:
        """GET in pieces. The header is made sure of first: a stream cannot answer a challenge."""
        endpoint = self._endpoint(reference)
        scopes = self._scopes(reference, PULL, ())
        if not endpoint.http.offline and not endpoint.authorizer.is_settled(scopes):
            # Only the way in matters: signed URLs that a blob redirects to often refuse HEAD.
            answer = self.request("HEAD", reference, path, headers=headers)
            if answer.status in {404, 410}:
                raise unexpected(answer, reference)
        sent = endpoint.authorizer.header(scopes)
        url = self.url(reference, path)
        known = _with_authorization(headers, sent)
        with endpoint.http.stream(url, headers=known, statuses=statuses) as chunks:
            yield chunks

    def _endpoint(self, reference: Reference) -> Endpoint:
        with self._lock:
            if reference.registry not in self._endpoints:
                self._endpoints[reference.registry] = make_endpoint(
                    reference,
                    http=self._http,
                    store=self._store,
                    credentials=self._credentials,
                    mirrors=self._mirrors,
                    environment=self._environment,
                )
            return self._endpoints[reference.registry]

    @staticmethod
    def _scopes(reference: Reference, action: str, also: tuple[str, ...]) -> tuple[str, ...]:
        own = f"repository:{reference.repository}:{action}"
        return (own, *(f"repository:{name}:{PULL}" for name in sorted(also)))


def fetch_blob(
    client: RegistryClient,
    store: Store,
    reference: Reference,
    descriptor: Descriptor,
    *,
    progress: Callable[[int], None] = lambda _size: None,
) -> None:
    """Bring a blob into the store, its size and hash checked while it arrives."""
    download(
        store,
        lambda start: client.blob(reference, descriptor.digest, start=start),
        sha256=hash_of(descriptor.digest),
        size=descriptor.size,
        where=f"{reference.name}@{descriptor.digest}",
        progress=progress,
    )


def unexpected(answer: Response, reference: Reference) -> NetworkError:
    """The error for an answer that is none of those hoped for."""
    where = str(reference)
    if answer.status in {404, 410}:
        return NotFound(
            f"the registry has no such image (HTTP {answer.status})",
            where=where,
            hint="check the name and the tag",
        )
    if answer.status == 403:
        return refused(redact(answer.url), "the registry denies access (HTTP 403)")
    if answer.status == 429:
        return NetworkError(
            "the registry's rate limit is reached (HTTP 429)",
            where=where,
            hint="log in with `docker login`, use a mirror (IMAGELOCK_MIRRORS), or wait",
        )
    return NetworkError(
        f"the registry answered HTTP {answer.status}", where=where, hint="try again later"
    )


def _limited(chunks: Iterator[bytes], limit: int, where: str) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise IntegrityError(f"expected a manifest of at most {limit} bytes", where=where)
    return bytes(data)


def _with_authorization(headers: Mapping[str, str] | None, value: str | None) -> dict[str, str]:
    sent = dict(headers or {})
    if value is not None:
        sent["Authorization"] = value
    return sent


def _digest_or_none(text: str | None) -> Digest | None:
    try:
        return checked_digest(text) if text else None
    except ValueError:
        return None
