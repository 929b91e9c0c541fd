"""The credentials that pixi and rattler-build keep for conda channels.

A JSON object by host, ``~/.rattler/credentials.json`` or the file that RATTLER_AUTH_FILE names, as
rattler's ``auth login`` writes it: ``"*.example.com"`` is a host and all below it, ``BearerToken``
and ``BasicHTTP`` are headers, ``CondaToken`` stands in the path as ``/t/TOKEN/``. It is read for
files of a channel alone, told by their path; no other request gets any of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from imagelock.fetch.authorization import basic_authorization
from imagelock.model.errors import UsageError

VARIABLE: Final = "RATTLER_AUTH_FILE"
_DEFAULT: Final = Path(".rattler", "credentials.json")
_CHANNEL_FILE: Final = re.compile(
    r"/(?:noarch|linux-[a-z0-9]+)/[^/]+\.(?:conda|tar\.bz2|json|json\.zst)"
)
_KINDS: Final = frozenset({"BasicHTTP", "BearerToken", "CondaToken", "OAuth", "S3Credentials"})
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class RattlerFile:
    """The file's entries, read when a channel is first asked. UsageError names what is wrong.

    What a message shows is the file, a host and the kind of an entry; never a value.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._named = environment.get(VARIABLE)

    def header(self, url: str) -> str | None:
        """The Authorization header for a file of a channel, or None."""
        kind, value = self._entry(url)
        if kind == "BearerToken":
            return f"Bearer {value}"
        if kind == "BasicHTTP":
            return basic_authorization(value["username"], value["password"])
        return None

    def located(self, url: str) -> str:
        """The URL with the host's token in its path, where it has one and the URL none."""
        parts = urlsplit(url)
        kind, value = self._entry(url)
        if kind != "CondaToken" or parts.path.startswith("/t/"):
            return url
        return urlunsplit(parts._replace(path=f"/t/{quote(value, safe='')}{parts.path}"))

    def _entry(self, url: str) -> tuple[str, Any]:
        """The kind and the value for a URL; an empty kind for none."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if _CHANNEL_FILE.search(parts.path) is None or not self._entries:
            return "", None
        for key in _keys(host, parts.netloc.rpartition("@")[2].lower()):
            if key in self._entries:
                return self._checked(key, self._entries[key])
        return "", None

    @property
    def _path(self) -> Path:
        return Path(self._named) if self._named else Path.home() / _DEFAULT

    @cached_property
    def _entries(self) -> dict[str, object]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._named:
                raise self._wrong(f"{VARIABLE} names no file ({error.strerror})") from None
            return {}
        except OSError as error:
            raise self._wrong(f"cannot be read: {error.strerror}") from None
        except ValueError:
            raise self._wrong("expected JSON in UTF-8") from None
        try:
            table = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 0)
            raise self._wrong(f"expected a JSON object, got something else (line {line})") from None
        if not isinstance(table, dict):
            raise self._wrong("expected a JSON object by host")
        return {str(host).lower(): entry for host, entry in table.items()}

    def _checked(self, host: str, entry: object) -> tuple[str, Any]:
        if not isinstance(entry, dict) or len(entry) != 1 or not set(entry) <= _KINDS:
            raise self._wrong(f"expected one of {', '.join(sorted(_KINDS))} for '{host}'")
        ((kind, value),) = entry.items()
        match kind, value:
            case "BearerToken" | "CondaToken", str() if _TOKEN.fullmatch(value):
                return kind, value
            case "BasicHTTP", {"username": str(), "password": str()}:
                return kind, value
            case "OAuth" | "S3Credentials", _:
                raise self._wrong(
                    f"{kind}, which '{host}' has, is not supported",
                    "give a bearer token, a user and a password, or a conda token",
                )
        raise self._wrong(f"the {kind} of '{host}' is not as rattler writes it")

    def _wrong(
        self, message: str, hint: str = "write it with `pixi auth login HOST`"
    ) -> UsageError:
        return UsageError(message, where=str(self._path), hint=hint)


def _keys(host: str, place: str) -> Iterator[str]:
    """What an entry for a host may be called, the nearest first."""
    yield place
    yield host
    domain = host
    while domain:
        yield f"*.{domain}"
        domain = domain.partition(".")[2]
