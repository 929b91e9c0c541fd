"""Authorization headers for a registry: Basic, and Bearer tokens (distribution-spec, token auth).

A token is asked for once per registry and scope and kept until shortly before it ends. No message
made here holds a credential, and credentials go only where TLS or the loopback protects them.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from imagelock.fetch.authorization import basic_authorization
from imagelock.fetch.http import Http, redact
from imagelock.model.errors import NetworkError
from imagelock.registry.credentials import Credential

_PARAMETER: Final = re.compile(r'([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_DEFAULT_SECONDS: Final = 60
_MARGIN_SECONDS: Final = 10
_CLIENT: Final = "imagelock"
_ANY: Final = frozenset(range(200, 600))
LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|::1)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One WWW-Authenticate answer: its scheme in lower case and its parameters (RFC 9110)."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge | None:
    """The Bearer challenge of a header if it has one, else Basic, else None."""
    found: list[Challenge] = []
    for scheme in ("bearer", "basic"):
        match = re.search(rf"(?:^|,\s*){scheme}(?=\s|,|$)", header, re.IGNORECASE)
        if match:
            rest = header[match.end() :]
            following = re.search(r",\s*(?:basic|bearer|digest|negotiate)\s", rest, re.IGNORECASE)
            own = rest[: following.start()] if following else rest
            values = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
                for name, quoted, plain in _PARAMETER.findall(own)
            }
            found.append(Challenge(scheme=scheme, parameters=values))
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class _Held:
    header: str
    until: float


class Authorizer:
    """The Authorization headers of one registry, kept by scope; safe from several threads."""

    def __init__(
        self,
        http: Http,
        credential: Callable[[], Credential | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._find = credential
        self._clock = clock
        self._held: dict[tuple[str, ...], _Held] = {}
        self._open: set[tuple[str, ...]] = set()
        self._asked = False
        self._credential: Credential | None = None
        self._lock = threading.RLock()

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """The header to send for these scopes, if one is known and still good."""
        held = self._held.get(scopes)
        return held.header if held and held.until > self._clock() else None

    def settled(self, scopes: tuple[str, ...]) -> None:
        """Note that a request with these scopes was let in, with the header or without one."""
        self._open.add(scopes)

    def is_settled(self, scopes: tuple[str, ...]) -> bool:
        """Whether the next request will be let in as far as is known."""
        held = self._held.get(scopes)
        return scopes in self._open and (held is None or held.until > self._clock())

    def answer(
        self, challenge: Challenge | None, scopes: tuple[str, ...], *, url: str, stale: str | None
    ) -> str:
        """The header that answers a challenge to a request for ``url`` sent with ``stale``.

        NetworkError when there is no credential for it, or the token service refuses.
        """
        with self._lock:
            known = self.header(scopes)
            if known is not None and known != stale:
                return known
            if challenge is None:
                raise refused(url, "the registry answered HTTP 401 without a way to log in")
            held = self._basic(url) if challenge.scheme == "basic" else None
            if held is None:
                held = self._bearer(challenge, scopes, url)
            elif stale is not None:
                raise refused(url, "the registry does not take the credentials")
            self._held[scopes] = held
            return held.header

    def _known(self) -> Credential | None:
        if not self._asked:
            self._credential = self._find()
            self._asked = True
        return self._credential

    def _basic(self, url: str) -> _Held:
        credential = self._known()
        if credential is None or credential.is_token:
            raise refused(url, "the registry asks for a user and password")
        _check_safe(url, url)
        return _Held(basic_authorization(credential.user, credential.secret), float("inf"))

    def _bearer(self, challenge: Challenge, scopes: tuple[str, ...], url: str) -> _Held:
        realm = challenge.parameters.get("realm", "")
        if urlsplit(realm).scheme not in {"http", "https"} or not urlsplit(realm).hostname:
            raise refused(url, "the registry names no token service")
        credential = self._known()
        if credential is not None:
            _check_safe(realm, url)
        service = challenge.parameters.get("service", "")
        named = challenge.parameters.get("scope", "")
        asked = scopes or tuple(named.split())
        if credential is not None and credential.is_token:
            body = self._post_token(realm, service, asked, credential, url)
        else:
            body = self._get_token(realm, service, asked, credential, url)
        return self._parsed(body, url)

    def _get_token(
        self,
        realm: str,
        service: str,
        scopes: tuple[str, ...],
        credential: Credential | None,
        url: str,
    ) -> bytes:
        pairs = [("service", service)] if service else []
        pairs += [("scope", scope) for scope in scopes]
        headers = {}
        if credential is not None:
            pairs.append(("account", credential.user))
            headers["Authorization"] = basic_authorization(credential.user, credential.secret)
        joint = "&" if urlsplit(realm).query else "?"
        answer = self._http.request(
            "GET", f"{realm}{joint}{urlencode(pairs)}", headers=headers, statuses=_ANY
        )
        return self._accepted(answer.status, answer.body, url, given=credential is not None)

    def _post_token(
        self,
        realm: str,
        service: str,
        scopes: tuple[str, ...],
        credential: Credential,
        url: str,
    ) -> bytes:
        """An access token for an identity token (OAuth2 refresh, as docker does)."""
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
            "refresh_token": credential.secret,
        }
        answer = self._http.request(
            "POST",
            realm,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            statuses=_ANY,
        )
        return self._accepted(answer.status, answer.body, url, given=True)

    @staticmethod
    def _accepted(status: int, body: bytes, url: str, *, given: bool) -> bytes:
        if status == 200:
            return body
        what = "does not take the credentials" if given else "gives no token without credentials"
        raise refused(url, f"the registry's token service {what} (HTTP {status})")

    def _parsed(self, body: bytes, url: str) -> _Held:
        try:
            table = json.loads(body)
        except ValueError:
            table = None
        values = table if isinstance(table, dict) else {}
        token = values.get("token") or values.get("access_token")
        if not isinstance(token, str) or not token or not token.isprintable():
            raise refused(url, "the registry's token service gave no token") from None
        seconds = values.get("expires_in")
        if not isinstance(seconds, int) or seconds < _DEFAULT_SECONDS:
            seconds = _DEFAULT_SECONDS
        return _Held(f"Bearer {token}", self._clock() + seconds - _MARGIN_SECONDS)


def _check_safe(target: str, url: str) -> None:
    """Refuse to send a credential over a network in the clear."""
    parts = urlsplit(target)
    if parts.scheme != "https" and not LOOPBACK.match(parts.hostname or ""):
        raise NetworkError(
            "the registry asks for credentials over plain http",
            where=redact(url),
            hint="use https: credentials are sent in the clear only to this machine",
        )


def refused(url: str, message: str) -> NetworkError:
    """The error of a request that the registry does not allow."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    name = "" if host == "registry-1.docker.io" else f" {host}"
    return NetworkError(
        message,
        where=redact(url),
        hint=f"run `docker login{name}`, and check that the image's name is right",
    )
