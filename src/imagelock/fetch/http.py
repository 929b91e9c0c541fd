"""One HTTP client for every index, archive and registry.

Connections are kept alive and shared by threads. Mirrors replace URL prefixes here and nowhere
else, so that no other stage, and no lock, ever sees one.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from imagelock.model.errors import NetworkError, NotFound, UsageError

if TYPE_CHECKING:
    import urllib3

_CHUNK: Final = 1 << 18
_CONNECTIONS: Final = 32
_RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_GONE: Final = frozenset({404, 410})


def redact(url: str) -> str:
    """A URL that may be shown: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, "", ""))


def mirrors_from_environment() -> dict[str, str]:
    """The table of the TOML file that IMAGELOCK_MIRRORS names: canonical prefix to mirror."""
    named = os.environ.get("IMAGELOCK_MIRRORS")
    if not named:
        return {}
    try:
        table = tomllib.loads(Path(named).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read as TOML: {error}",
            where=named,
            hint='write lines like "https://pypi.org/simple/" = "https://mirror.example/simple/"',
        ) from error
    wrong = [key for key, value in table.items() if not isinstance(value, str)]
    if wrong:
        raise UsageError(
            f"expected a URL as the value of '{wrong[0]}'",
            where=named,
            hint='write lines like "https://pypi.org/simple/" = "https://mirror.example/simple/"',
        )
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer: ``url`` is the canonical one that was asked, header names lower-case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A client with retries (429 and 5xx, Retry-After honoured up to a minute) and mirrors."""

    def __init__(
        self,
        *,
        offline: bool = False,
        mirrors: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.offline = offline
        self._mirrors = dict(mirrors or {})
        self._ca_file = ca_file
        self._made: urllib3.PoolManager | None = None

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
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The body in pieces as it arrives; an answer cut short is a NetworkError."""
        import urllib3

        answer = self._open("GET", url, headers=headers, body=None, preload=False)
        try:
            if answer.status != 200:
                raise self._refused(url, answer.status)
            yield answer.stream(_CHUNK, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(url, error) from error
        finally:
            answer.release_conn()

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
        try:
            return self._pool().request(
                method,
                self._mirrored(url),
                headers=dict(headers or {}),
                body=body,
                preload_content=preload,
                decode_content=preload,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(url, error) from error

    def _pool(self) -> urllib3.PoolManager:
        if self._made is None:
            import urllib3

            retries = urllib3.Retry(
                total=4,
                backoff_factor=0.4,
                status_forcelist=_RETRIED_STATUSES,
                raise_on_status=False,
                allowed_methods=None,
                respect_retry_after_header=True,
            )
            self._made = urllib3.PoolManager(
                num_pools=16,
                maxsize=_CONNECTIONS,
                retries=retries,
                timeout=urllib3.Timeout(connect=15, read=60),
                headers={"User-Agent": "imagelock/0.1"},
                ca_certs=str(self._ca_file) if self._ca_file else None,
            )
        return self._made

    def _mirrored(self, url: str) -> str:
        for prefix in sorted(self._mirrors, key=len, reverse=True):
            if url.startswith(prefix):
                return self._mirrors[prefix] + url[len(prefix) :]
        return url

    @staticmethod
    def _refused(url: str, status: int) -> NetworkError:
        if status in _GONE:
            return NotFound(f"the server has no such file (HTTP {status})", where=redact(url))
        hint = "give credentials in ~/.netrc" if status in {401, 403} else "try again later"
        return NetworkError(f"the server answered HTTP {status}", where=redact(url), hint=hint)

    @staticmethod
    def _failed(url: str, error: Exception) -> NetworkError:
        reason = getattr(error, "reason", None) or error
        return NetworkError(
            f"could not be reached ({type(reason).__name__})",
            where=redact(url),
            hint="check the network, or build from the store with --offline",
        )
