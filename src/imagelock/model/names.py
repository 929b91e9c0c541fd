"""Checked strings: each type is made only by its normaliser here."""

from __future__ import annotations

import re
from typing import NewType

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""

Digest = NewType("Digest", str)
"""``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md)."""

PipName = NewType("PipName", str)
"""A normalised project name (PEP 503)."""

DebName = NewType("DebName", str)
"""A binary package name (Debian Policy 5.6.1)."""

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
# Not packaging.utils: its import takes longer than all of the model's, and every command pays.
_PIP_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_PIP_SEPARATORS = re.compile(r"[-_.]+")
_DEB_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")


def sha256(text: str) -> Sha256:
    """Check 64 hexadecimal digits; upper case is folded. Raise ValueError with what was found."""
    folded = text.lower()
    if not _SHA256.match(folded):
        found = f"{len(text)} characters" if len(text) != 64 else f"'{text}'"
        msg = f"expected 64 hex digits, got {found}"
        raise ValueError(msg)
    return Sha256(folded)


def digest(text: str) -> Digest:
    """Check an OCI digest. Only sha256 is accepted: nothing else is computed here."""
    algorithm, _, value = text.partition(":")
    if algorithm != "sha256":
        msg = f"expected a digest like 'sha256:…', got '{text}'"
        raise ValueError(msg)
    return Digest(f"sha256:{sha256(value)}")


def digest_of(value: Sha256) -> Digest:
    """The OCI spelling of a hash."""
    return Digest(f"sha256:{value}")


def hash_of(value: Digest) -> Sha256:
    """The bare hash of an OCI digest."""
    return Sha256(value.partition(":")[2])


def pip_name(text: str) -> PipName:
    """Normalise a project name (PEP 503). Raise ValueError for what is no name."""
    if not _PIP_NAME.match(text):
        msg = f"expected a package name, got '{text}'"
        raise ValueError(msg)
    return PipName(_PIP_SEPARATORS.sub("-", text).lower())


def deb_name(text: str) -> DebName:
    """Check a Debian package name (Policy 5.6.1). Raise ValueError for what is none."""
    if not _DEB_NAME.match(text):
        msg = f"expected a Debian package name, got '{text}'"
        raise ValueError(msg)
    return DebName(text)
