"""Indexes and bases written as text, for resolver tests."""

from __future__ import annotations

from imagelock.model.debian import BinaryPackage, Installed
from imagelock.model.lock import SPEC_ROOT, Requirer
from imagelock.resolve.apt.index import Index
from imagelock.resolve.apt.index_file import IndexFile
from imagelock.resolve.apt.request import parse_request
from imagelock.resolve.apt.resolution import Resolution, Root, resolve_packages
from imagelock.resolve.apt.status import parse_status
from support.debian_archive import packages_file


def index_file(
    *stanzas: str, suite: str = "stable", architecture: str = "amd64", priority: int = 500
) -> IndexFile:
    """One Packages file."""
    return IndexFile(
        data=packages_file(*stanzas),
        archive="example",
        suite=suite,
        component="main",
        architecture=architecture,
        names=(suite,),
        priority=priority,
    )


def index_of(*stanzas: str) -> Index:
    """An index of one file."""
    return Index((index_file(*stanzas),), "amd64")


def base_of(*stanzas: str) -> Installed:
    """A base that has these installed."""
    lines = (f"{stanza}Status: install ok installed\n" for stanza in stanzas)
    return parse_status("\n".join(lines).encode(), where="status")


def resolved(
    index: Index, *words: str, base: Installed | None = None, recommends: bool = False
) -> Resolution:
    """What the words of a spec give."""
    requests = [parse_request(word) for word in words]
    return resolve_packages(
        tuple(
            Root(request=request, requirer=Requirer(name=SPEC_ROOT, specifier=request.specifier))
            for request in requests
        ),
        index=index,
        installed=base or Installed(),
        recommends=recommends,
    )


def added(resolution: Resolution) -> dict[str, str]:
    """Versions by name, or by name:architecture where that is not amd64."""
    return {
        package.name
        if package.architecture in {"amd64", "all"}
        else f"{package.name}:{package.architecture}": package.version
        for package in resolution.added
    }


def status_of(index: Index, packages: tuple[BinaryPackage, ...]) -> bytes:
    """A dpkg status file that has packages of an index installed."""
    stanzas = []
    for package in packages:
        file = index.file_of(package)
        for place in file.places(package.name):
            start = file.start(place)
            end = file.data.find(b"\n\n", start)
            stanza = file.data[start : end if end >= 0 else len(file.data)].strip(b"\n")
            if f"\nVersion: {package.version}\n".encode() in stanza:
                stanzas.append(stanza + b"\nStatus: install ok installed\n")
                break
    assert len(stanzas) == len(packages)
    return b"\n".join(stanzas)
