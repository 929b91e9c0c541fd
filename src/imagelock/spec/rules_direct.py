"""The rule for requirements that name their file themselves (PEP 508, ``name @ URL``)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from imagelock.model.names import sha256
from imagelock.spec.findings import quoted
from imagelock.spec.rule import RuleBroken

NO_FOLDERS: Final = "bring it in with [[copy]], or put a wheel of it on an index"
NO_VERSION_CONTROL: Final = "put a wheel of that commit on an index or a server"
NO_SDISTS: Final = "name a version, and the index that has it"

_VERSION_CONTROL: Final = re.compile(r"(git|hg|svn|bzr)(\+|:)")
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9._~:/\[\]!$&'()*+,;=%-]+")


def normalise_wheel_url(url: str) -> str:
    """The URL of a wheel on a server, its scheme and host in lower case.

    ``#sha256=`` with 64 digits may follow. Raise RuleBroken with the next step for all else.
    """
    shown = quoted(url.partition("?")[0].partition("#")[0])
    try:
        parts = urlsplit(url)
    except ValueError:  # an IPv6 address that is none
        raise RuleBroken(f"expected a URL with a host, got {shown}") from None
    if "@" in url.partition("://")[2].partition("/")[0]:
        msg = "expected a URL without credentials: a lock is no place for secrets"
        raise RuleBroken(msg, hint="put them in ~/.netrc or the keyring; only the fetch reads them")
    if _VERSION_CONTROL.match(url):
        msg = f"a requirement from version control, {shown}, is not supported yet"
        raise RuleBroken(msg, hint=NO_VERSION_CONTROL)
    if parts.scheme not in {"http", "https"}:
        msg = f"expected the http or https URL of a wheel, got {shown}"
        raise RuleBroken(msg, hint=NO_FOLDERS)
    if not parts.path.endswith(".whl"):
        msg = f"expected the URL of a wheel (.whl), got {shown}"
        raise RuleBroken(msg, hint=NO_SDISTS)
    plain, _, fragment = url.partition("#")
    if "?" in plain:  # not shown: it may be a token
        raise RuleBroken("expected a URL without '?': a lock is no place for secrets")
    address = f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"
    if not parts.netloc or not _PLAIN.fullmatch(address):
        raise RuleBroken(f"expected a URL with a host, and in ASCII, got {shown}")
    return f"{address}#sha256={_hash_of(fragment)}" if fragment else address


def _hash_of(fragment: str) -> str:
    algorithm, _, digits = fragment.partition("=")
    if algorithm != "sha256":
        msg = f"expected nothing but '#sha256=…' behind the URL, got {quoted('#' + fragment)}"
        raise RuleBroken(msg)
    try:
        return sha256(digits)
    except ValueError as error:
        raise RuleBroken(str(error)) from None
