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
from imagelock.model.platform import Platform

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

SDIST_ENDINGS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
"""What a file name of an sdist ends in."""

_PLAIN: Final = "/~+:@!$&'()*,;=-._"
"""What a path keeps in a URL, besides letters and digits (RFC 3986, 3.3)."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


_UBUNTU_PRIMARY: Final = frozenset({"linux/386", "linux/amd64"})


def ubuntu_archive(platform: Platform) -> str:
    """The archive that has Ubuntu's packages for a platform: most are in one of their own."""
    return "ubuntu" if platform.text in _UBUNTU_PRIMARY else "ubuntu-ports"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Archive:
    """An archive that is not well known: its name in this lock and its URL, which ends in '/'.

    The URL may be a relative reference to a folder (:func:`is_local`), or that of a git
    repository (:func:`is_repository`), which needs no '/'.
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

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel (PEP 427)."""
        return self.path.endswith(".whl")


def archive_url(name: str, archives: tuple[Archive, ...] = ()) -> str:
    """The canonical URL of a named archive. Raise KeyError when the lock defines none."""
    for archive in archives:
        if archive.name == name:
            return archive.url
    return WELL_KNOWN_ARCHIVES[name]


def artifact_url(artifact: Artifact, archives: tuple[Archive, ...] = ()) -> str:
    """The canonical URL of an artifact; of a repository's, as PEP 508 requirements have it."""
    root = archive_url(artifact.archive, archives)
    if is_repository(root):
        commit, _, folder = artifact.path.partition("/")
        return f"{root}@{commit}" + (
            f"#subdirectory={quote(folder, safe=_PLAIN)}" if folder else ""
        )
    return root + quote(artifact.path, safe=_PLAIN)


def located(url: str) -> tuple[str, str]:
    """The URL of an archive and the path in it, of a URL that :func:`artifact_url` made.

    The archive is a well-known one, the server of a URL, a repository, or the folder of a path.
    """
    if is_repository(url):
        plain, _, fragment = url.partition("#")
        root, _, commit = plain.rpartition("@")
        folder = unquote(fragment.removeprefix("subdirectory="))
        return root, f"{commit}/{folder}" if folder else commit
    if is_local(url):
        folder, slash, name = url.rpartition("/")
        return f"{folder}{slash}", unquote(name)
    known = next((root for root in WELL_KNOWN_ARCHIVES.values() if url.startswith(root)), None)
    root = known or "/".join(url.split("/", 3)[:3]) + "/"
    return root, unquote(url[len(root) :])


def repository_parts(url: str) -> tuple[str, str, str]:
    """Repository, ref and folder of ``git+https://host/path@ref#subdirectory=folder``.

    Ref and folder are empty where they are not given.
    """
    plain, _, fragment = url.partition("#")
    folder = unquote(fragment.removeprefix("subdirectory="))
    start = plain.find("/", plain.find("://") + 3) if "://" in plain else 0
    path, ref = split_ref(plain[start:])
    return plain[:start] + path, ref, folder


def split_ref(path: str) -> tuple[str, str]:
    """A repository's path and the ref behind its last '@'; empty where there is none."""
    before, at, ref = path.rpartition("@")
    return (before, ref) if at and not ref.endswith((".git", "/")) else (path, "")


def is_repository(url: str) -> bool:
    """Whether a URL is a git repository's, ``git+https://…``; paths in it begin with a commit."""
    return url.startswith("git+")


def is_tree(path: str) -> bool:
    """Whether an artifact is a source tree: neither a wheel nor an sdist.

    It is the tar that imagelock packs, without a folder at its top.
    """
    return not path.endswith((".whl", *SDIST_ENDINGS))


def is_local(url: str) -> bool:
    """Whether a URL is a relative reference, to a folder or file of the machine.

    The path ``.`` in such an archive is the folder itself, packed as a tar.
    """
    return not _SCHEME.match(url) and not is_repository(url)


def local_reference(path: str) -> str:
    """The relative reference of a folder, from its relative POSIX path: ``./`` or ``../a%20b/``."""
    return quote(posixpath.normpath(path), safe=_PLAIN.replace(":", "")) + "/"


def local_path(reference: str) -> str:
    """The relative POSIX path that a relative reference stands for; no slash at its end."""
    return posixpath.normpath(unquote(reference))
