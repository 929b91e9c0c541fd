"""Named archives: where artifacts come from, without a URL in the lock.

A lock says ``archive = "debian"`` and a path in it. The well-known names are this one table;
other archives have an ``[[archive]]`` table each in the lock. Mirrors are the business of
``fetch/`` alone.

A folder of the machine is an archive too. Its URL is a relative reference (RFC 3986, 4.2) from
the lock's context folder, such as ``wheels/`` or ``../channel/``: a lock names no absolute path.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from imagelock.model.gpu import PYTORCH_INDEXES
from imagelock.model.names import Sha256

WELL_KNOWN_ARCHIVES: Final = {
    "conda-forge": "https://conda.anaconda.org/conda-forge/",
    "debian": "http://deb.debian.org/debian/",
    "debian-security": "http://deb.debian.org/debian-security/",
    "pypi": "https://files.pythonhosted.org/",
    "ubuntu": "http://archive.ubuntu.com/ubuntu/",
    "ubuntu-ports": "http://ports.ubuntu.com/ubuntu-ports/",
}

SNAPSHOTS: Final = {
    "debian": "http://snapshot.debian.org/archive/debian/{id}/",
    "debian-security": "http://snapshot.debian.org/archive/debian-security/{id}/",
    "ubuntu": "http://snapshot.ubuntu.com/ubuntu/{id}/",
}
"""Snapshot services of well-known apt archives; ``{id}`` is like ``20261101T000000Z``."""

WELL_KNOWN_INDEXES: Final = {
    "nvidia": "https://pypi.nvidia.com/",
    "pypi": "https://pypi.org/simple/",
    "pytorch": "https://download.pytorch.org/whl/",
    **PYTORCH_INDEXES,
}
"""Simple repository API roots (PEP 503, PEP 691) by the name a spec may use."""

_PLAIN: Final = "/~+:@!$&'()*,;=-._"
"""What a path keeps in a URL, besides letters and digits (RFC 3986, 3.3)."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Archive:
    """An archive that is not well known: its name in this lock and its URL, which ends in '/'.

    The URL may be a relative reference to a folder: see :func:`is_local`.
    """

    name: str
    url: str


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Artifact:
    """One file to fetch. ``path`` is relative to the archive, unquoted; ``size`` is in bytes."""

    archive: str
    path: str
    sha256: Sha256
    size: int

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def archive_url(name: str, archives: tuple[Archive, ...] = ()) -> str:
    """The canonical URL of a named archive. Raise KeyError when the lock defines none."""
    for archive in archives:
        if archive.name == name:
            return archive.url
    return WELL_KNOWN_ARCHIVES[name]


def artifact_url(artifact: Artifact, archives: tuple[Archive, ...] = ()) -> str:
    """The canonical URL of an artifact."""
    return archive_url(artifact.archive, archives) + quote(artifact.path, safe=_PLAIN)


def is_local(url: str) -> bool:
    """Whether a URL is a relative reference, to a folder or file of the machine."""
    return not _SCHEME.match(url)


def local_reference(path: str) -> str:
    """The relative reference of a folder, from its relative POSIX path: ``./`` or ``../a%20b/``."""
    return quote(posixpath.normpath(path), safe=_PLAIN.replace(":", "")) + "/"


def local_path(reference: str) -> str:
    """The relative POSIX path that a relative reference stands for; no slash at its end."""
    return posixpath.normpath(unquote(reference))
