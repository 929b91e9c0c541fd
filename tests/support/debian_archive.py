"""A Debian archive on a local server: real formats, test keys, every fault on order."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from imagelock.model.debian import AptArchiveSource
from support.local_server import Answer, LocalServer

if TYPE_CHECKING:
    from pysequoia import Tsk

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@cache
def key(name: str) -> Tsk:
    """A key pair, made once a run."""
    from pysequoia import Tsk

    return Tsk.generate(f"{name} <{name}@archive.example>")


def public(name: str) -> bytes:
    """The certificate of a key, armored."""
    return str(key(name).extract_certificate()).encode()


def clear_signed(data: bytes, *names: str) -> bytes:
    """The data with the signature of a key around it."""
    from pysequoia import SignatureMode, sign

    return sign(key(names[0]).signer(), data, mode=SignatureMode.CLEAR)


def detached(data: bytes, name: str) -> bytes:
    """A signature beside the data."""
    from pysequoia import SignatureMode, sign

    return sign(key(name).signer(), data, mode=SignatureMode.DETACHED)


def stanza(name: str, version: str = "1.0", **fields: str) -> str:
    """One entry of a Packages file; underscores in field names stand for hyphens."""
    architecture = fields.pop("Architecture", "amd64")
    content = f"{name} {version} {architecture}".encode()
    listed = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        **{field.replace("_", "-"): value for field, value in fields.items()},
    }
    listed.setdefault("Filename", f"pool/main/{name}_{version.replace(':', '%3a')}.deb")
    listed.setdefault("Size", str(len(content)))
    listed.setdefault("SHA256", hashlib.sha256(content).hexdigest())
    return "".join(f"{field}: {value}\n" for field, value in listed.items())


def packages_file(*stanzas: str) -> bytes:
    """A Packages file."""
    return "\n".join(stanzas).encode()


@dataclass(kw_only=True)
class Suite:
    """A suite to serve. ``packages`` are by component and architecture, uncompressed."""

    packages: Mapping[tuple[str, str], bytes]
    name: str = "stable"
    date: datetime = NOW - timedelta(days=1)
    valid_until: datetime | None = NOW + timedelta(days=6)
    fields: Mapping[str, str] = field(default_factory=dict)
    hashes: str = "SHA256"
    list_plain: bool = True
    by_hash: bool = True

    def files(self) -> dict[str, bytes]:
        """What the Release lists, by path."""
        found: dict[str, bytes] = {}
        for (component, architecture), data in self.packages.items():
            path = f"{component}/binary-{architecture}/Packages" if component else "Packages"
            found[f"{path}.xz"] = lzma.compress(data, preset=0)
            if self.list_plain:
                found[path] = data
        return found

    def release(self) -> bytes:
        """The Release file, unsigned."""
        lines = [
            f"Suite: {self.name}",
            f"Codename: {self.name}",
            f"Date: {self.date:%a, %d %b %Y %H:%M:%S} UTC",
            "Architectures: all amd64 arm64",
            "No-Support-for-Architecture-all: Packages",
            *(f"{name}: {value}" for name, value in self.fields.items()),
        ]
        if self.valid_until:
            lines.append(f"Valid-Until: {self.valid_until:%a, %d %b %Y %H:%M:%S} UTC")
        if self.by_hash:
            lines.append("Acquire-By-Hash: yes")
        lines.append(f"{self.hashes}:")
        lines += [
            f" {hashlib.new(self.hashes.lower(), data).hexdigest()} {len(data)} {path}"
            for path, data in sorted(self.files().items())
        ]
        return "\n".join(lines).encode() + b"\n"


def serve(
    server: LocalServer, suite: Suite, *, prefix: str = "/debian/", signer: str = "good"
) -> str:
    """Put a suite on a server, signed; the path of its folder."""
    folder = f"{prefix}dists/{suite.name}/"
    server.routes[f"{folder}InRelease"] = Answer(clear_signed(suite.release(), signer))
    for path, data in suite.files().items():
        server.routes[folder + path] = Answer(data)
        parent = path.rpartition("/")[0]
        if suite.by_hash:
            digest = hashlib.sha256(data).hexdigest()
            server.routes[f"{folder}{parent}/by-hash/SHA256/{digest}"] = Answer(data)
    return folder


def source(
    server: LocalServer,
    *,
    suite: str = "stable",
    components: tuple[str, ...] = ("main",),
    keys: tuple[str, ...] = ("good",),
    archive: str = "example",
    fingerprints: tuple[str, ...] = (),
) -> AptArchiveSource:
    """The source that reads such a suite."""
    return AptArchiveSource(
        archive=archive,
        url=f"{server.url}/debian/",
        suite=suite,
        components=components,
        keyrings=tuple(public(name) for name in keys),
        fingerprints=fingerprints,
    )
