"""The host's own credentials for HTTP: never written anywhere, given to their own host only.

Looked for in the order: rattler's file for conda channels, index URLs in the environment (pip's and
uv's variables), netrc, and, once a server has refused, the ``keyring`` program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from imagelock.fetch.authorization import basic_authorization
from imagelock.fetch.conda.rattler_file import RattlerFile
from imagelock.model.errors import UsageError

INDEX_VARIABLES: Final = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
)
_KEYRING_SECONDS: Final = 20


class HostCredentials:
    """Credentials by scheme, host and port; usable from several threads."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._known: dict[str, str | None] = {}
        self._asked: dict[str, str | None] = {}
        self._users: dict[str, str] = {}
        self._rattler = RattlerFile(self._environment)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """The same host's credentials for another process, which inherits the environment."""
        own = None if self._environment is os.environ else dict(self._environment)
        return HostCredentials, (own,)

    def known(self, url: str) -> str | None:
        """The Authorization header from rattler's file, the environment or netrc."""
        place = _place(url)
        with self._lock:
            header = self._rattler.header(url)
            if header is not None:
                return header
            if place not in self._known:
                self._known[place] = self._from_environment(place) or self._from_netrc(url)
            return self._known[place]

    def refused(self, url: str) -> str | None:
        """The header that the keyring has for a server which answered 401."""
        place = _place(url)
        with self._lock:
            if place not in self._asked:
                self._asked[place] = self._from_keyring(url, place)
            return self._asked[place]

    def located(self, url: str) -> str:
        """A URL of a conda channel with the token that rattler's file has for its host."""
        with self._lock:
            return self._rattler.located(url)

    def _from_environment(self, place: str) -> str | None:
        for user, password, at in self._listed():
            if at == place and password:
                return basic_authorization(user, password)
            if at == place:
                self._users.setdefault(place, user)
        return None

    def _listed(self) -> Iterator[tuple[str, str, str]]:
        for variable in INDEX_VARIABLES:
            for word in self._environment.get(variable, "").split():
                url = word if word.partition("://")[0].isalpha() else word.partition("=")[2]
                parts = urlsplit(url)
                if parts.username:
                    yield unquote(parts.username), unquote(parts.password or ""), _place(url)

    def _from_netrc(self, url: str) -> str | None:
        import netrc

        named = self._environment.get("NETRC")
        path = Path(named) if named else Path.home() / ".netrc"
        if not path.is_file():
            return None
        try:
            found = netrc.netrc(str(path)).authenticators(urlsplit(url).hostname or "")
        except (netrc.NetrcParseError, OSError) as error:
            line = getattr(error, "lineno", 0) or 0
            raise UsageError(
                f"cannot be read as a netrc file (line {line})", where=str(path)
            ) from None
        if found is None:
            return None
        login, _account, password = found
        return basic_authorization(login or "", password or "")

    def _from_keyring(self, url: str, place: str) -> str | None:
        program = shutil.which("keyring", path=self._environment.get("PATH"))
        if program is None:
            return None
        user = self._users.get(place) or "__token__"
        for service in (place, urlsplit(url).netloc.rpartition("@")[2]):
            try:
                done = subprocess.run(
                    [program, "get", service, user],
                    capture_output=True,
                    text=True,
                    timeout=_KEYRING_SECONDS,
                    stdin=subprocess.DEVNULL,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            password = done.stdout.rstrip("\n")
            if done.returncode == 0 and password:
                return basic_authorization(user, password)
        return None


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}/"
