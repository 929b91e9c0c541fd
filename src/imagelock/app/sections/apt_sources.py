"""Which archives apt packages come from: the distribution's, the base's own, the spec's."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imagelock.fetch.debian.keyrings import SHIPPED, vendor_keyring
from imagelock.fetch.http import redact
from imagelock.model.archives import SNAPSHOTS, WELL_KNOWN_ARCHIVES, Archive, ubuntu_archive
from imagelock.model.base import BaseAptSource
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSource, DistributionBase

_FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?\Z")
_ROLLING: Final = frozenset({"sid", "unstable", "experimental"})
_ALIASES: Final = {
    "security.debian.org/": "debian-security",
    "security.debian.org/debian-security/": "debian-security",
    "security.ubuntu.com/ubuntu/": "ubuntu",
}
"""Other addresses of well-known archives, which the distributions' own images use."""
_VENDORS: Final = {
    "debian": "debian",
    "debian-security": "debian",
    "ubuntu": "ubuntu",
    "ubuntu-ports": "ubuntu",
}


def default_sources(base: DistributionBase, platform: Platform) -> tuple[AptArchiveSource, ...]:
    """The suites of a distribution: the release, its updates and its security fixes.

    Those that mmdebstrap(1) and the distributions' own images use. UsageError for a vendor
    without shipped keys.
    """
    suite = base.suite
    components: tuple[str, ...]
    if base.vendor == "debian":
        components, listed = ("main",), [("debian", suite)]
        if suite not in _ROLLING:
            listed += [("debian", f"{suite}-updates"), ("debian-security", f"{suite}-security")]
    elif base.vendor == "ubuntu":
        archive = ubuntu_archive(platform)
        components = ("main", "universe")
        listed = [(archive, name) for name in (suite, f"{suite}-updates", f"{suite}-security")]
    else:
        raise UsageError(
            f"expected a distribution of {' or '.join(sorted(SHIPPED))}, got '{base.vendor}'",
            where="base.distribution",
            hint='write for instance distribution = "debian:bookworm"',
        )
    return tuple(
        AptArchiveSource(
            archive=archive,
            url=WELL_KNOWN_ARCHIVES[archive],
            suite=name,
            components=components,
            keyrings=(vendor_keyring(base.vendor),),
        )
        for archive, name in listed
    )


def base_sources(
    found: tuple[BaseAptSource, ...], platform: Platform
) -> tuple[AptArchiveSource, ...]:
    """The sources that a base image is set up with, in its order.

    IntegrityError for one that the base trusts without a signature.
    """
    architecture = platform.debian_architecture
    sources: list[AptArchiveSource] = []
    for item in found:
        if item.architectures and architecture not in item.architectures:
            continue
        if item.trusted:
            raise IntegrityError(
                "the base trusts this source without a signature",
                where=item.origin,
                hint="remove it from the base, or sign it and name its key with Signed-By",
            )
        for uri in item.uris:
            archive, url = _archive(uri, architecture)
            keys = tuple(file.data for file in item.keyrings) or _vendor_keys(archive)
            sources.extend(
                AptArchiveSource(
                    archive=archive,
                    url=url,
                    suite=suite,
                    components=item.components,
                    keyrings=keys,
                    fingerprints=item.fingerprints,
                )
                for suite in item.suites
            )
    return tuple(dict.fromkeys(sources))


def spec_sources(
    listed: tuple[AptSource, ...], platform: Platform, *, folder: Path
) -> tuple[AptArchiveSource, ...]:
    """The sources of ``[[apt.source]]``; key files are relative to the spec's folder.

    UsageError for a key file that cannot be read, or an unknown archive without ``signed-by``.
    """
    sources: list[AptArchiveSource] = []
    for number, item in enumerate(listed):
        place = f"apt.source[{number}]"
        for uri in item.uris.split():
            archive, url = _archive(uri, platform.debian_architecture)
            keyrings, fingerprints = _signers(item, archive, folder, place)
            sources.extend(
                AptArchiveSource(
                    archive=archive,
                    url=url,
                    suite=suite,
                    components=item.components,
                    keyrings=keyrings,
                    fingerprints=fingerprints,
                    snapshot=item.snapshot,
                )
                for suite in item.suites
            )
    return tuple(dict.fromkeys(sources))


def as_of(
    sources: tuple[AptArchiveSource, ...], when: datetime | None
) -> tuple[AptArchiveSource, ...]:
    """The sources as they were at a time; those with a snapshot of their own are left alone."""
    if when is None:
        return sources
    snapshot = f"{when.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    changed: list[AptArchiveSource] = []
    for source in sources:
        if source.snapshot is None and source.archive not in SNAPSHOTS:
            raise UsageError(
                f"no snapshot service is known for '{source.archive}'",
                where=redact(source.url),
                hint=f"--as-of works with {', '.join(sorted(SNAPSHOTS))}",
            )
        changed.append(source if source.snapshot else _with_snapshot(source, snapshot))
    return tuple(changed)


def unknown_archives(sources: tuple[AptArchiveSource, ...]) -> tuple[Archive, ...]:
    """The archives that need a table of their own in a lock, sorted."""
    found = {
        Archive(name=source.archive, url=source.url)
        for source in sources
        if source.archive not in WELL_KNOWN_ARCHIVES
    }
    return tuple(sorted(found))


def _with_snapshot(source: AptArchiveSource, snapshot: str) -> AptArchiveSource:
    return AptArchiveSource(
        archive=source.archive,
        url=source.url,
        suite=source.suite,
        components=source.components,
        keyrings=source.keyrings,
        fingerprints=source.fingerprints,
        snapshot=snapshot,
    )


def _archive(uri: str, architecture: str) -> tuple[str, str]:
    """The name and the canonical URL of an archive, from the URI of a source."""
    url = uri.replace("$(ARCH)", architecture).rstrip("/") + "/"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(
            f"expected an http or https archive, got '{redact(uri) or uri}'",
            where="apt.source",
            hint="serve the archive over HTTP, on 127.0.0.1 if need be",
        )
    if parts.username or parts.password:
        raise UsageError(
            "expected a URL without user and password",
            where=redact(url),
            hint="put the credentials in ~/.netrc: a lock is read by everybody",
        )
    address = url.partition("://")[2]
    if address in _ALIASES:
        return _ALIASES[address], WELL_KNOWN_ARCHIVES[_ALIASES[address]]
    for name, known in sorted(WELL_KNOWN_ARCHIVES.items()):
        if address == known.partition("://")[2]:
            return name, known
    words = f"{parts.netloc}{parts.path}".lower()
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-"), url


def _vendor_keys(archive: str) -> tuple[bytes, ...]:
    vendor = _VENDORS.get(archive)
    return (vendor_keyring(vendor),) if vendor else ()


def _signers(
    item: AptSource, archive: str, folder: Path, place: str
) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """The keyrings and the fingerprints that ``signed-by`` means."""
    if item.signed_by is None:
        keys = _vendor_keys(archive)
        if not keys:
            raise UsageError(
                "expected 'signed-by': nothing says who may sign this archive",
                where=place,
                hint='put the archive\'s public key beside the spec: signed-by = "keys/vendor.asc"',
            )
        return keys, ()
    if all(_FINGERPRINT.match(word) for word in item.signed_by.split()):
        shipped = tuple(vendor_keyring(vendor) for vendor in sorted(SHIPPED))
        return shipped, tuple(item.signed_by.split())
    try:
        # The keys that the lock was made with, whatever has come into the file since.
        return ((folder / item.signed_by).read_bytes(),), item.keys
    except OSError as error:
        raise UsageError(
            f"the key file '{item.signed_by}' cannot be read: {error.strerror}",
            where=f"{place}.signed-by",
            hint="the path is relative to the spec",
        ) from error
