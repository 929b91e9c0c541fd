"""Package URLs (ECMA-427, https://github.com/package-url/purl-spec) of what a lock pins."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from imagelock.model.archives import WELL_KNOWN_ARCHIVES, archive_url, artifact_url, is_local
from imagelock.model.lock import AptPin, BaseKind, BasePin, CondaPin, Lock, PipPin, PythonPin
from imagelock.model.platform import Platform

_VENDORS: Final = {
    "debian": "debian",
    "debian-security": "debian",
    "ubuntu": "ubuntu",
    "ubuntu-ports": "ubuntu",
}
_POCKET: Final = re.compile(
    r"(?:-(?:updates|security|backports(?:-sloppy)?|proposed.*)|/updates)\Z"
)
_CONDA_FORMATS: Final = ("conda", "tar.bz2")
_HUB: Final = "docker.io"
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*\Z")


def package_url(kind: str, *path: str, version: str, **qualifiers: str) -> str:
    """The canonical form; empty qualifiers are left out, the others sorted."""
    named = "/".join(_quoted(part) for part in path)
    pairs = (f"{name}={_quoted(qualifiers[name])}" for name in sorted(qualifiers))
    joined = "&".join(pair for pair in pairs if not pair.endswith("="))
    return f"pkg:{kind}/{named}@{_quoted(version)}{'?' if joined else ''}{joined}"


def _quoted(text: str) -> str:
    return quote(text, safe="/:")


def apt_purl(pin: AptPin, lock: Lock) -> str:
    """``pkg:deb``: the vendor is the namespace, the release is ``distro``.

    What comes from an archive that is not a distribution's has that archive's name and URL.
    """
    archive = pin.artifact.archive
    vendor = _VENDORS.get(archive)
    more = {"distro": _POCKET.sub("", pin.suite)}
    if vendor is None:
        more = {"repository_url": archive_url(archive, lock.archives)}
    name = str(pin.name)
    return package_url(
        "deb", vendor or archive, name, version=pin.version, arch=pin.architecture, **more
    )


def pip_purl(pin: PipPin, lock: Lock) -> str:
    """``pkg:pypi`` with the file's name; where it is not from PyPI, also with its URL."""
    archive = pin.artifact.archive
    url = artifact_url(pin.artifact, lock.archives) if archive != "pypi" else ""
    url = "" if is_local(url) else url
    return package_url(
        "pypi",
        str(pin.name),
        version=pin.version,
        file_name=pin.artifact.filename,
        download_url=url,
    )


def conda_purl(pin: CondaPin, lock: Lock) -> str:
    """``pkg:conda`` with its build, channel (a name, or the URL of its own) and subdir."""
    archive = pin.artifact.archive
    known = archive in WELL_KNOWN_ARCHIVES and pin.channel is None
    channel = archive if known else pin.channel or archive_url(archive, lock.archives)
    return package_url(
        "conda",
        pin.name,
        version=pin.version,
        build=pin.build,
        channel="" if is_local(channel) and not known else channel,
        subdir=pin.subdir,
        type=next((item for item in _CONDA_FORMATS if pin.artifact.path.endswith(item)), ""),
    )


def python_purl(pin: PythonPin) -> str:
    """``pkg:generic``: an interpreter of the base that no package manager knows."""
    return package_url("generic", "python", version=pin.version)


def base_purl(pin: BasePin, platform: Platform) -> str | None:
    """``pkg:oci`` of a base image in a registry; other bases have no package URL."""
    if pin.kind is not BaseKind.IMAGE or not _IMAGE.match(pin.reference):
        return None
    name, _, tag = pin.reference.partition("@")[0].rpartition(":")
    if not name or "/" in tag:
        name, tag = pin.reference.partition("@")[0], ""
    return package_url(
        "oci",
        name.rpartition("/")[2].lower(),
        version=pin.digest,
        arch=platform.architecture,
        repository_url=_repository(name),
        tag=tag,
    )


def _repository(name: str) -> str:
    """A repository with its registry, as docker completes the name."""
    host, _, rest = name.partition("/")
    if rest and ("." in host or ":" in host or host == "localhost"):
        return name
    return f"{_HUB}/{name if rest else f'library/{name}'}"
