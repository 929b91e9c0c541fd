"""The order of Debian versions (Debian Policy 5.6.12, deb-version(7))."""

from __future__ import annotations

import re
from functools import lru_cache

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

PartKey = tuple[tuple[tuple[int, ...], int], ...]
VersionKey = tuple[int, PartKey, PartKey]


def _rank(character: str) -> int:
    """A tilde sorts before the end (0), the end before letters, letters before the rest."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 0x110000


def _part_key(text: str) -> PartKey:
    return tuple(
        ((*map(_rank, letters), 0), int(digits or 0))
        for letters, digits in _PARTS.findall(text or "0")
    )


@lru_cache(maxsize=1 << 16)
def debian_version_key(version: str) -> VersionKey:
    """A key that sorts versions as dpkg does: epoch, upstream version, revision.

    Anything is accepted: text that is no version sorts somewhere, and always in the same place.
    """
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, ""
    return int(epoch), _part_key(upstream), _part_key(revision)


def compare_debian_versions(left: str, right: str) -> int:
    """-1, 0 or 1 as ``left`` is older than, the same as or newer than ``right``."""
    if left == right:
        return 0
    first, second = debian_version_key(left), debian_version_key(right)
    return (first > second) - (first < second)
