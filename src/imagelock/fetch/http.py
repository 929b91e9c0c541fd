"""One HTTP client for every index, archive and registry.

Connections are kept alive and shared by threads. Mirrors replace URL prefixes here and nowhere
else, so that no other stage, and no lock, ever sees one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from imagelock.fetch.authorization import (
    Credentials,
    NoCredentials,
    basic_authorization,
    user_and_password,
)
from imagelock.fetch.mirrors import Mirrors
from imagelock.model.errors import NetworkError, NotFound

if TYPE_CHECKING:
    import urllib3

    from imagelock.fetch.connections import Connections

_CHUNK: Final = 1 << 18
_SHORT: Final = 1 << 14
_USER_AGENT: Final = "imagelock/0.1"
_GONE: Final = frozenset({404, 410})


def redact(url: str) -> str:
    """A URL that may be shown: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer: ``url`` is the canonical one that was asked, header names lower-case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedAnswer:
    """An answer whose body has not been read yet; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Http:
    """A client with retries (429 and 5xx, Retry-After up to a minute) and mirrors."""

    def __init__(
        self,
        *,
        offline: bool = False,
        mirrors: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.offline = offline
        self._mirrors = Mirrors(dict(mirrors or {}))
        self._ca_file = ca_file
        self._credentials: Credentials = credentials or NoCredentials()
        self._connections: Connections | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """The same client for another process: its settings, none of its connections."""
        return _same_client, (self.offline, self._mirrors.table, self._ca_file, self._credentials)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset({200}),
    ) -> Response:
        """The whole answer in memory. NotFound for 404 and 410, NetworkError for the rest."""
        return self.request("GET", url, headers=headers, statuses=statuses)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        statuses: frozenset[int] = frozenset({200}),
    ) -> Response:
        """Any method; an answer with another status than those expected is an error."""
        answer = self._open(method, url, headers=headers, body=body, preload=True)
        if answer.status not in statuses:
            raise self._refused(url, answer.status)
        return Response(
            url=url,
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=answer.data,
        )

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset({200}),
    ) -> Iterator[Iterator[bytes]]:
        """The body in pieces as it arrives; an answer cut short is a NetworkError."""
        with self.answer(url, headers=headers, statuses=statuses) as answer:
            yield answer.chunks

    @contextlib.contextmanager
    def answer(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset({200}),
    ) -> Iterator[StreamedAnswer]:
        """As :meth:`stream`, with the status and the headers."""
        import urllib3

        answer = self._open("GET", url, headers=headers, body=None, preload=False)
        try:
            if answer.status not in statuses:
                if (answer.length_remaining or _SHORT) < _SHORT:
                    answer.drain_conn()  # the connection is of use again
                raise self._refused(url, answer.status)
            yield StreamedAnswer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.headers.items()},
                chunks=answer.stream(_CHUNK, decode_content=False),
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(url, error) from None
        finally:
            # On a kept connection, what is left of a body would be read as the next answer.
            answer.close()
            answer.release_conn()

    def canonical(self, url: str) -> str:
        """The URL that a mirror's URL stands for: what a page of a mirror links to is locked so."""
        return self._mirrors.canonical(url)

    def _open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        if self.offline:
            raise NetworkError(
                "not in the store, and the network is off",
                where=redact(url),
                hint="run once without --offline (or IMAGELOCK_OFFLINE)",
            )
        located = self._credentials.located(self._mirrors.mirrored(url))
        target, sent = self._with_credentials(located, headers)

        def asked() -> urllib3.BaseHTTPResponse:
            return self._pools(target).request(
                method,
                target,
                headers=sent,
                body=body,
                preload_content=preload,
                decode_content=preload,
            )

        try:
            answer = asked()
            if answer.status == 401:
                found = self._credentials.refused(target)
                if found and found != sent.get("Authorization"):
                    answer.drain_conn()
                    sent["Authorization"] = found
                    answer = asked()
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(url, error) from None
        self._check_scheme(url, target, answer)
        return answer

    def _with_credentials(
        self, url: str, headers: Mapping[str, str] | None
    ) -> tuple[str, dict[str, str]]:
        """The URL without user and password, and the headers with them."""
        sent = {"User-Agent": _USER_AGENT, **(headers or {})}
        parts = urlsplit(url)
        if "@" in parts.netloc:
            user, _, host = parts.netloc.rpartition("@")
            url = urlunsplit(parts._replace(netloc=host))
            found: str | None = basic_authorization(*map(unquote, user_and_password(user)))
        else:
            found = self._credentials.known(url)
        if found and not any(name.lower() == "authorization" for name in sent):
            sent["Authorization"] = found
        return url, sent

    @staticmethod
    def _check_scheme(url: str, target: str, answer: urllib3.BaseHTTPResponse) -> None:
        """Refuse an answer that TLS no longer vouches for."""
        final = answer.geturl() or target
        if target.startswith("https:") and final.startswith("http:"):
            answer.close()
            raise NetworkError(
                "the server redirects from https to http",
                where=redact(url),
                hint="use a URL that stays on https",
            )

    def _pools(self, url: str) -> urllib3.PoolManager:
        if self._connections is None:
            from imagelock.fetch.connections import Connections

            with self._lock:
                if self._connections is None:
                    self._connections = Connections(ca_file=self._ca_file)
        return self._connections.for_url(url)

    @staticmethod
    def _refused(url: str, status: int) -> NetworkError:
        if status in _GONE:
            return NotFound(f"the server has no such file (HTTP {status})", where=redact(url))
        hint = "give credentials in ~/.netrc" if status in {401, 403} else "try again later"
        return NetworkError(f"the server answered HTTP {status}", where=redact(url), hint=hint)

    @staticmethod
    def _failed(url: str, error: Exception) -> NetworkError:
        """The error, which has no cause: urllib3's holds the URL that was asked, with its token."""
        reason = getattr(error, "reason", None) or error
        return NetworkError(
            f"could not be reached ({type(reason).__name__})",
            where=redact(url),
            hint="check the network, or build from the store with --offline",
        )


def _same_client(
    offline: bool,  # noqa: FBT001 - given by pickle
    mirrors: Mapping[str, str],
    ca_file: Path | None,
    credentials: Credentials,
) -> Http:
    return Http(offline=offline, mirrors=mirrors, ca_file=ca_file, credentials=credentials)
