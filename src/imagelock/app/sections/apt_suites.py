"""Suites opened for a resolution: fetched, verified, never older than the lock, kept pins added."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt_sources import as_of
from imagelock.fetch.artifacts import ArtifactFetcher, snapshot_archives
from imagelock.fetch.debian.index import DebianIndexes, FetchedIndex, Wanted
from imagelock.fetch.debian.layout import base_url
from imagelock.fetch.debian.packages import FetchedPackages
from imagelock.fetch.http import redact
from imagelock.model.base import BaseFile
from imagelock.model.debian import AptArchiveSource, BinaryPackage
from imagelock.model.errors import IntegrityError, NetworkError
from imagelock.model.lock import AptIndexPin, AptPin, Lock
from imagelock.model.names import Sha256
from imagelock.model.platform import Platform
from imagelock.resolve.apt.index import Index, Key
from imagelock.resolve.apt.index_file import DEFAULT_PRIORITY, IndexFile
from imagelock.resolve.apt.preferences import parse_preferences

NEVER = -1
"""The pin priority of what only an earlier lock knows: preferred by name, else no candidate."""
_NOT_AUTOMATIC, _AUTOMATIC_UPGRADES = 1, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Suites:
    """Fetched suites as one index; its last files describe what only an earlier lock knows."""

    sources: tuple[AptArchiveSource, ...]
    fetched: tuple[FetchedIndex, ...]
    index: Index


def open_suites(
    sources: tuple[AptArchiveSource, ...],
    platform: Platform,
    *,
    context: Context,
    options: ResolveOptions,
    previous: Lock | None = None,
    foreign: tuple[str, ...] = (),
    preferences: tuple[BaseFile, ...] = (),
) -> Suites:
    """Fetch and verify the sources, once for all sections of a platform.

    ``preferences`` are the base's apt_preferences(5) files, in the order apt reads them.

    The pins of ``previous`` of these suites that may not move and are no longer listed are
    described from the indexes of that time if the store has them, else from the .deb files.
    """
    context, indexes = context.with_debian()
    sources, architectures = wanted_suites(sources, platform, options=options, foreign=foreign)
    native = architectures[0]
    fetched = indexes.fetch(sources, architectures)
    _refuse_rollback(fetched, previous)
    files = [_file(item, packages) for item in fetched for packages in item.packages]
    opened = {(source.archive, source.suite) for source in sources}
    kept = [
        pin
        for pin in (previous.apt if previous else ())
        if platform in pin.platforms
        and (pin.artifact.archive, pin.suite) in opened
        and not options.may_move(pin.name)
    ]
    if previous is not None and kept:
        needed = {(pin.artifact.archive, pin.suite) for pin in _unlisted(files, kept, native)}
        states = [
            pin
            for pin in previous.apt_indexes
            if (pin.archive, pin.suite) in needed and context.store.find(pin.sha256)
        ]
        files += _earlier(states, indexes, fetched, architectures)
        files += _described(_unlisted(files, kept, native), previous, context)
    pins = (parse_preferences(item.data, where=item.path) for item in preferences)
    records = tuple(chain.from_iterable(pins))
    index = Index(tuple(files), native, records)
    return Suites(sources=sources, fetched=fetched, index=index)


def wanted_suites(
    sources: tuple[AptArchiveSource, ...],
    platform: Platform,
    *,
    options: ResolveOptions,
    foreign: tuple[str, ...] = (),
) -> Wanted:
    """What :func:`open_suites` reads: each source once, as of the time asked for."""
    architectures = tuple(dict.fromkeys((platform.debian_architecture, *foreign)))
    return as_of(tuple(dict.fromkeys(sources)), options.as_of), architectures


def locked_version(index: Index, pin: AptPin) -> BinaryPackage | None:
    """The locked package itself: the same version with the same bytes; None if unknown."""
    for package, _priority in index.versions(pin_key(pin, index)):
        if package.version == pin.version and package.sha256 == pin.artifact.sha256:
            return package
    for file, package in index.listed(pin_key(pin, index), pin.version):
        if package.sha256 == pin.artifact.sha256 and file.priority == NEVER:
            return package
    return None


def pin_key(pin: AptPin, index: Index) -> Key:
    """The key of a pin in an index."""
    native = pin.architecture == "all"
    return str(pin.name), index.architecture if native else pin.architecture


def index_pin(item: FetchedIndex) -> AptIndexPin:
    """What a lock says of a suite."""
    release = item.release
    return AptIndexPin(
        archive=item.source.archive,
        suite=item.source.suite,
        components=item.source.components,
        sha256=release.sha256,
        date=release.date,
        signed_by=release.signed_by,
        snapshot=item.source.snapshot,
    )


def _file(item: FetchedIndex, packages: FetchedPackages, *, kept: bool = False) -> IndexFile:
    release = item.release
    priority = DEFAULT_PRIORITY
    if release.not_automatic:
        priority = _AUTOMATIC_UPGRADES if release.automatic_upgrades else _NOT_AUTOMATIC
    names = dict.fromkeys((item.source.suite, release.suite, release.codename))
    return IndexFile(
        data=_mapped(packages.path),
        archive=item.source.archive,
        suite=item.source.suite,
        component=packages.component,
        architecture=packages.architecture,
        names=tuple(name for name in names if name),
        priority=NEVER if kept else priority,
        origin=release.origin,
        label=release.label,
        host=urlsplit(item.source.url).hostname or "",
    )


def _mapped(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _refuse_rollback(fetched: tuple[FetchedIndex, ...], previous: Lock | None) -> None:
    """Refuse an index older than the one the lock was made from: it hides what came since."""
    locked = [pin for pin in (previous.apt_indexes if previous else ()) if not pin.snapshot]
    for item in fetched:
        dates = [
            pin.date
            for pin in locked
            if (pin.archive, pin.suite) == (item.source.archive, item.source.suite)
        ]
        if item.source.snapshot or not dates or item.release.date >= max(dates):
            continue
        raise IntegrityError(
            f"the index is of {item.release.date:%Y-%m-%d %H:%M}, older than the lock's of "
            f"{max(dates):%Y-%m-%d %H:%M} UTC",
            where=f"{redact(base_url(item.source))} {item.source.suite}",
            hint="the mirror is out of date; use another, or ask for the past with --as-of",
        )


def _unlisted(files: Iterable[IndexFile], pins: list[AptPin], native: str) -> list[AptPin]:
    index = Index(tuple(files), native)
    return [pin for pin in pins if locked_version(index, pin) is None]


def _earlier(
    states: list[AptIndexPin],
    indexes: DebianIndexes,
    fetched: tuple[FetchedIndex, ...],
    architectures: tuple[str, ...],
) -> list[IndexFile]:
    """The suites as the lock saw them, where the store still has all of them."""
    current = {(item.source.archive, item.source.suite): item for item in fetched}
    found: list[IndexFile] = []
    for pin in states:
        item = current.get((pin.archive, pin.suite))
        if item is not None and item.release.sha256 != pin.sha256:
            stored = indexes.stored(item.source, pin.sha256, architectures)
            if stored is not None:
                found += [_file(stored, packages, kept=True) for packages in stored.packages]
    return found


def _described(pins: list[AptPin], previous: Lock, context: Context) -> list[IndexFile]:
    """Locked packages from their own control files; those that cannot be had are left to move."""
    if not pins:
        return []
    fetcher = ArtifactFetcher(context.store, context.http)
    fallbacks = snapshot_archives(previous.apt_indexes)
    found: list[IndexFile] = []
    for pin in pins:
        try:
            paths = fetcher.fetch([pin.artifact], previous.archives, fallbacks=fallbacks)
        except NetworkError:
            continue
        found.append(
            IndexFile(
                data=_stanza(paths[pin.artifact.sha256], pin),
                archive=pin.artifact.archive,
                suite=pin.suite,
                component="",
                architecture=pin.architecture,
                names=(pin.suite,),
                priority=NEVER,
            )
        )
    return found


def _stanza(path: Path, pin: AptPin) -> bytes:
    """What a Packages file would say of a .deb."""
    from imagelock.layers.deb import Deb

    with path.open("rb") as file:
        fields = dict(Deb(file, where=pin.artifact.filename).control().fields)
    fields |= {
        "Filename": pin.artifact.path,
        "Size": str(pin.artifact.size),
        "SHA256": Sha256(pin.artifact.sha256),
    }
    name = fields.pop("Package")
    lines = [f"Package: {name}\n", *(f"{field}: {value}\n" for field, value in fields.items())]
    return "".join(lines).encode()
