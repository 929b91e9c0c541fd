"""Rules for what names a place: paths, URLs, image references, distributions."""

from __future__ import annotations

import posixpath
import re
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from imagelock.model.archives import WELL_KNOWN_INDEXES
from imagelock.model.gpu import PYTORCH_INDEXES
from imagelock.model.names import digest
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_direct import normalise_direct
from imagelock.spec.rules_text import COMPONENT

KNOWN_SUITES: Final = {
    "debian": ("bookworm", "bullseye", "forky", "sid", "trixie"),
    "ubuntu": ("focal", "jammy", "noble", "questing", "resolute"),
}
"""Code names only: ``stable`` or ``12`` would mean another suite one day."""

_PATH: Final = r"[^\u0000-\u001f\u007f\\]"
URL_PATTERN: Final = r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+"
_FLAT: Final = ".html"
"""An index whose URL ends so is one page of links (pip's find-links): no folder, so no slash."""
_SLASHES_HINT: Final = "paths are written with '/', on every system"


def _inside(text: str) -> str:
    if ".." in text.split("/"):
        msg = f"expected a path below the spec's folder, got {quoted(text)}"
        raise RuleBroken(msg, hint="'..' leaves the folder that a build may read")
    return posixpath.normpath(text)


def relative_hint(text: str) -> str:
    """The next step for a path that is not a relative one."""
    if "\\" in text:
        return _SLASHES_HINT
    return "a lock holds for any machine, so it names no absolute path" if text[:1] == "/" else ""


INSIDE_PATH: Final = Rule(
    expected="a path relative to the spec's folder",
    pattern=rf"(?!/){_PATH}+",
    normalise=_inside,
    hint=relative_hint,
)
"""A path at or below the spec's folder."""

RELATIVE_PATH: Final = Rule(
    expected="a path relative to the spec's folder",
    pattern=rf"(?!/){_PATH}+",
    normalise=posixpath.normpath,
    hint=relative_hint,
)
"""A path that may leave the spec's folder: it is read, not copied."""


def _absolute(text: str) -> str:
    if ".." in text.split("/"):
        msg = f"expected an absolute path without '..', got {quoted(text)}"
        raise RuleBroken(msg)
    return "/" + posixpath.normpath(text).lstrip("/")


def _target(text: str) -> str:
    path = _absolute(text)
    return f"{path}/" if text.endswith(("/", "/.")) and path != "/" else path


def _absolute_hint(text: str) -> str:
    return _SLASHES_HINT if "\\" in text else "it is a path in the image, and begins with '/'"


ABSOLUTE_PATH: Final = Rule(
    expected="an absolute path", pattern=rf"/{_PATH}*", normalise=_absolute, hint=_absolute_hint
)

TARGET_PATH: Final = Rule(
    expected="an absolute path", pattern=rf"/{_PATH}*", normalise=_target, hint=_absolute_hint
)
"""As ABSOLUTE_PATH, but an ending '/' has a meaning and is kept."""


def _url(text: str) -> str:
    """A URL of a folder, ending in '/': with no credentials, query or fragment."""
    try:
        parts = urlsplit(text)
        named = parts.hostname and parts.port != 0
    except ValueError:  # a port or an IPv6 address that there is none of
        named = False
    if "@" in text.partition("://")[2].partition("/")[0]:
        msg = "expected a URL without credentials: a lock is no place for secrets"
        raise RuleBroken(msg, hint="put them in ~/.netrc or the keyring; only the fetch reads them")
    if "?" in text or "#" in text:  # not shown: it may be a token
        raise RuleBroken("expected a URL without '?' and '#': a lock is no place for secrets")
    if not named:
        raise RuleBroken(f"expected a URL with a host, and a port if need be, got {quoted(text)}")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}/"


def _url_hint(text: str) -> str:
    if "${" in text:
        return "environment variables are not expanded: a spec means the same everywhere"
    return "write it with 'https://'"


URL: Final = Rule(
    expected="an http or https URL", pattern=URL_PATTERN, normalise=_url, hint=_url_hint
)


def _index(text: str) -> str:
    if text.startswith((".", "/", "file:")):
        return normalise_direct(text)
    if "://" not in text:
        if text in WELL_KNOWN_INDEXES:
            return text
        shown = sorted(WELL_KNOWN_INDEXES.keys() - PYTORCH_INDEXES.keys())
        known = ", ".join(f"'{name}'" for name in shown)
        close = get_close_matches(text, WELL_KNOWN_INDEXES, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else "name it by its URL"
        raise RuleBroken(f"expected a well-known index ({known}), got {quoted(text)}", hint=hint)
    url = _url(text)
    if text.endswith(_FLAT):
        return url.rstrip("/")
    return next((name for name, known in WELL_KNOWN_INDEXES.items() if known == url), url)


def _find_links(text: str) -> str:
    """A page's URL as it is, or a folder (or a page on disk) as a path like ``./wheels``."""
    if text.startswith("file:") or "://" not in text:
        return normalise_direct(text if text.startswith(("file:", "/")) else f"./{text}")
    url = _url(text)
    return url if text.endswith("/") else url.rstrip("/")


INDEX: Final = Rule(
    expected="the name of a well-known index, an http or https URL, or a folder",
    pattern=rf"[A-Za-z0-9._-]+|{URL_PATTERN}|(\.|/|file:){_PATH}*",
    normalise=_index,
    hint=_url_hint,
)

FIND_LINKS: Final = Rule(
    expected="a folder, or the http or https URL of a page of links",
    pattern=rf"{_PATH}+",
    normalise=_find_links,
    hint=_url_hint,
)

_HOST_PART: Final = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_REFERENCE: Final = (
    rf"(({_HOST_PART}(\.{_HOST_PART})*|\[[0-9A-Fa-f:]+\])(:[0-9]+)?/)?"
    rf"{COMPONENT}(/{COMPONENT})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@[A-Za-z0-9+._-]+:[0-9A-Fa-f]+)?"
)
_LONGEST_REFERENCE_NAME: Final = 255


def _image(text: str) -> str:
    name, at, value = text.partition("@")
    length = len(re.sub(r":[^/]*$", "", name))
    if length > _LONGEST_REFERENCE_NAME:
        msg = f"expected a name of at most {_LONGEST_REFERENCE_NAME} characters, got {length}"
        raise RuleBroken(msg)
    return name + (at + digest(value) if at else "")


def _image_hint(text: str) -> str:
    if "://" in text:
        return "write it like 'registry.example/team/image:tag', without 'https://'"
    return "repository names are lower-case" if text != text.lower() else ""


IMAGE: Final = Rule(
    expected="an image reference like 'python:3.12-slim-bookworm'",
    pattern=_REFERENCE,
    normalise=_image,
    hint=_image_hint,
)
"""The grammar of github.com/distribution/reference; the default domain is not written out."""


def _distribution(text: str) -> str:
    vendor, _, suite = text.partition(":")
    if suite in KNOWN_SUITES.get(vendor, ()):
        return text
    known = [f"{name}:{code}" for name, codes in KNOWN_SUITES.items() for code in codes]
    close = get_close_matches(text, known, n=1, cutoff=0.75)
    hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
    raise RuleBroken(f"expected a distribution by its code name, got {quoted(text)}", hint=hint)


DISTRIBUTION: Final = Rule(
    expected="a distribution like 'debian:bookworm'",
    pattern=r"[a-z]+:[a-z0-9.]+",
    normalise=_distribution,
    hint="write it like 'debian:bookworm' or 'ubuntu:noble'",
)


def _layout(text: str) -> str:
    path = text.removeprefix("oci:")
    if not re.fullmatch(RELATIVE_PATH.pattern, path):
        raise RELATIVE_PATH.broken(path)
    return f"oci:{posixpath.normpath(path)}"


LAYOUT: Final = Rule(
    expected="an OCI layout as 'oci:DIR'", pattern=r"oci:[^\u0000]+", normalise=_layout
)
