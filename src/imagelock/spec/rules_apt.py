"""Rules for the ``[apt]`` table: packages as apt-get takes them, sources as in sources.list(5)."""

from __future__ import annotations

import posixpath
import re
from datetime import datetime
from typing import Final

from imagelock.model.platform import KNOWN_PLATFORMS
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_place import RELATIVE_PATH, relative_hint

_ARCHITECTURES: Final = tuple(sorted({p.debian_architecture for p in KNOWN_PLATFORMS}))
_PACKAGE: Final = (
    r"[a-z0-9][a-z0-9+.-]+"
    r"(:[a-z0-9]+)?"
    r"(=[A-Za-z0-9*?][A-Za-z0-9.+:~*?-]*|/[A-Za-z0-9][A-Za-z0-9._+-]*|-)?"
)


def _package(text: str) -> str:
    architecture = re.match(r"[^:=/]*:([a-z0-9]+)", text)
    if architecture and architecture[1] not in (*_ARCHITECTURES, "all", "any", "native"):
        hint = f"known are {', '.join(_ARCHITECTURES)}"
        msg = f"expected a Debian architecture, got '{architecture[1]}' in {quoted(text)}"
        raise RuleBroken(msg, hint=hint)
    return text


def _package_hint(text: str) -> str:
    if text != text.lower() and re.fullmatch(_PACKAGE, text.lower()):
        return "package names are lower-case"
    if re.search(r"[<>~]=|==|[<>]", text):
        return "apt takes one version as name=version, where * matches anything"
    if "://" in text or text.endswith(".deb"):
        return "packages come from a signed source; add one as [[apt.source]]"
    return "write name, name=version, name/suite, name:architecture, or name- to remove it"


APT_PACKAGE: Final = Rule(
    expected="a Debian package",
    pattern=_PACKAGE,
    normalise=_package,
    hint=_package_hint,
)


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.split()))
    if any(".." in word.split("/") for word in words):
        raise RuleBroken(f"expected names without '..', got {quoted(text)}")
    return words


SUITES: Final = Rule(
    expected="suites, with blanks between them",
    pattern=r" *[A-Za-z0-9./][A-Za-z0-9._/+-]*( +[A-Za-z0-9./][A-Za-z0-9._/+-]*)* *",
    normalise=_words,
)

COMPONENTS: Final = Rule(
    expected="components, with blanks between them",
    pattern=r" *([A-Za-z0-9][A-Za-z0-9._/+-]*( +[A-Za-z0-9][A-Za-z0-9._/+-]*)*)? *",
    normalise=_words,
)


def check_components(suites: tuple[str, ...], components: tuple[str, ...]) -> None:
    """A suite that ends in '/' is a path and has no components; others need some."""
    flat = [suite for suite in suites if suite.endswith("/")]
    if components and flat:
        msg = f"expected none, since the suite {quoted(flat[0])} is a path"
        raise RuleBroken(msg, key="components")
    if not components and len(flat) < len(suites):
        raise RuleBroken("expected components, got none", hint='add components = "main"')


def is_fingerprint(text: str) -> bool:
    """Whether a ``signed-by`` names a key by its whole fingerprint, and is no file."""
    return re.fullmatch(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", text) is not None


def _signed_by(text: str) -> str:
    if is_fingerprint(text):
        return text.upper()
    return posixpath.normpath(text)


SIGNED_BY: Final = Rule(
    expected="a key file relative to the spec's folder, or a key's whole fingerprint",
    pattern=RELATIVE_PATH.pattern,
    normalise=_signed_by,
    hint=relative_hint,
)


def _snapshot(text: str) -> str:
    try:
        datetime.strptime(text, "%Y%m%dT%H%M%S%z")
    except ValueError:
        raise RuleBroken(f"expected a date and time that exist, got '{text}'") from None
    return text


SNAPSHOT: Final = Rule(
    expected="a snapshot like '20261101T000000Z'",
    pattern=r"[0-9]{8}T[0-9]{6}Z",
    normalise=_snapshot,
)
