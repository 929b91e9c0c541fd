"""The apt sections of a lock: a bootstrapped base, and what is installed on a base."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt_sources import (
    as_of,
    base_sources,
    default_sources,
    spec_sources,
    unknown_archives,
)
from imagelock.fetch.debian.index import DebianIndexes, FetchedIndex, FetchedPackages, base_url
from imagelock.fetch.http import redact
from imagelock.model.archives import Archive, Artifact
from imagelock.model.debian import AptArchiveSource, BinaryPackage, Installed
from imagelock.model.errors import IntegrityError, NoSolution
from imagelock.model.lock import (
    SPEC_ROOT,
    AptIndexPin,
    AptPin,
    AptRemoval,
    Lock,
    Requirer,
)
from imagelock.model.names import Sha256, deb_name
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSpec, DistributionBase
from imagelock.resolve.apt.index import DEFAULT_PRIORITY, Index, IndexFile, Key
from imagelock.resolve.apt.request import parse_request
from imagelock.resolve.apt.resolution import (
    Resolution,
    Root,
    resolve_bootstrap,
    resolve_packages,
)
from imagelock.resolve.apt.status import parse_status

_NOT_AUTOMATIC, _AUTOMATIC_UPGRADES, _NEVER = 1, 100, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSection:
    """What one platform's apt adds to a lock.

    ``archives`` are those that are not well known; ``installed`` is the whole set afterwards,
    what a next section starts from.
    """

    indexes: tuple[AptIndexPin, ...] = ()
    pins: tuple[AptPin, ...] = ()
    removals: tuple[AptRemoval, ...] = ()
    archives: tuple[Archive, ...] = ()
    installed: Installed = field(default_factory=Installed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suites:
    """Fetched suites as one index: the live ones, then those an earlier lock was made from."""

    sources: tuple[AptArchiveSource, ...]
    fetched: tuple[FetchedIndex, ...]
    earlier: tuple[FetchedIndex, ...]
    index: Index


def open_suites(
    sources: tuple[AptArchiveSource, ...],
    platform: Platform,
    *,
    context: Context,
    options: ResolveOptions,
    previous: Lock | None = None,
    foreign: tuple[str, ...] = (),
) -> Suites:
    """Fetch and verify the sources, once for all sections of a platform."""
    sources = as_of(tuple(dict.fromkeys(sources)), options.as_of)
    architectures = tuple(dict.fromkeys((platform.debian_architecture, *foreign)))
    indexes = DebianIndexes(context.store, context.http, now=context.now)
    fetched = indexes.fetch(sources, architectures)
    _refuse_rollback(fetched, previous)
    earlier = _earlier(indexes, fetched, architectures, previous, context)
    files = [
        *(_file(item, packages, _priority(item)) for item in fetched for packages in item.packages),
        *(_file(item, packages, _NEVER) for item in earlier for packages in item.packages),
    ]
    return Suites(
        sources=sources,
        fetched=fetched,
        earlier=earlier,
        index=Index(tuple(files), platform.debian_architecture),
    )


def bootstrap_section(
    base: DistributionBase,
    platform: Platform,
    *,
    context: Context,
    options: ResolveOptions,
    previous: Lock | None = None,
    suites: Suites | None = None,
) -> AptSection:
    """The packages of a bootstrapped base, every one a pin with ``base`` set."""
    suites = suites or open_suites(
        default_sources(base, platform),
        platform,
        context=context,
        options=options,
        previous=previous,
    )
    resolution = resolve_bootstrap(
        suites.index,
        variant=base.variant,
        choices=_choices(suites.index, platform, options, previous, base=True),
    )
    return _section(suites, resolution, platform, base=True)


def apt_section(
    spec: AptSpec,
    platform: Platform,
    *,
    installed: Installed,
    sources: tuple[AptArchiveSource, ...],
    context: Context,
    options: ResolveOptions,
    spec_folder: Path = Path(),
    extra_roots: tuple[tuple[str, str], ...] = (),
    previous: Lock | None = None,
    suites: Suites | None = None,
) -> AptSection:
    """The packages that the spec (and others: ``extra_roots``) ask for on top of a base.

    ``sources`` are those of the base (:func:`default_sources`, :func:`base_sources`); the
    spec's own are added here. ``extra_roots`` are pairs of a requirer and a package.
    """
    roots = [
        *(_root(SPEC_ROOT, text) for text in spec.packages),
        *(_root(requirer, text) for requirer, text in extra_roots),
    ]
    if not roots:
        return AptSection(installed=installed)
    suites = suites or open_suites(
        (*sources, *spec_sources(spec.sources, platform, folder=spec_folder)),
        platform,
        context=context,
        options=options,
        previous=previous,
        foreign=foreign_architectures(spec),
    )
    resolution = resolve_packages(
        tuple(roots),
        index=suites.index,
        installed=installed,
        recommends=spec.recommends,
        choices=_choices(suites.index, platform, options, previous, base=False),
    )
    return _section(suites, resolution, platform, base=False)


def foreign_architectures(spec: AptSpec) -> tuple[str, ...]:
    """The architectures that packages are asked for by name, such as ``libc6:arm64``."""
    asked = (parse_request(text).architecture for text in spec.packages)
    return tuple(sorted({item for item in asked if item} - {"native", "any", "all"}))


def candidate_version(suites: Suites, name: str) -> str | None:
    """The version of a package that would be installed on an empty base, None without one."""
    found = suites.index.candidate((name, suites.index.architecture))
    return found.version if found else None


def installed_from_status(data: bytes, *, where: str = "var/lib/dpkg/status") -> Installed:
    """What a base image has installed."""
    return parse_status(data, where=where)


def installed_from_pins(pins: tuple[AptPin, ...], suites: Suites) -> Installed:
    """What a bootstrapped base of an earlier lock has installed, read again from the indexes.

    NoSolution names a package that the indexes at hand no longer describe.
    """
    packages = []
    for pin in pins:
        key = (str(pin.name), _key_architecture(pin, suites.index))
        package = _version(suites.index, key, pin)
        if package is None:
            raise NoSolution(
                f"{pin.name} {pin.version} of the base is in no index any more",
                where="apt",
                hint="run `imagelock lock --upgrade` to move the base to what there is",
            )
        packages.append(package)
    return Installed(packages=tuple(packages))


def _root(requirer: str, text: str) -> Root:
    request = parse_request(text)
    return Root(request=request, requirer=Requirer(name=requirer, specifier=request.specifier))


def _priority(item: FetchedIndex) -> int:
    if not item.release.not_automatic:
        return DEFAULT_PRIORITY
    return _AUTOMATIC_UPGRADES if item.release.automatic_upgrades else _NOT_AUTOMATIC


def _file(item: FetchedIndex, packages: FetchedPackages, priority: int) -> IndexFile:
    release = item.release
    names = dict.fromkeys((item.source.suite, release.suite, release.codename))
    return IndexFile(
        data=_mapped(packages.path),
        archive=item.source.archive,
        suite=item.source.suite,
        component=packages.component,
        architecture=packages.architecture,
        names=tuple(name for name in names if name),
        priority=priority,
    )


def _mapped(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _refuse_rollback(fetched: tuple[FetchedIndex, ...], previous: Lock | None) -> None:
    """Refuse an index older than the one the lock was made from: it hides what came since."""
    locked = {(pin.archive, pin.suite): pin for pin in previous.apt_indexes} if previous else {}
    for item in fetched:
        pin = locked.get((item.source.archive, item.source.suite))
        if pin is None or item.source.snapshot or pin.snapshot:
            continue
        if item.release.date < pin.date:
            raise IntegrityError(
                f"the index is of {item.release.date:%Y-%m-%d %H:%M}, older than the lock's of "
                f"{pin.date:%Y-%m-%d %H:%M} UTC",
                where=f"{redact(base_url(item.source))} {item.source.suite}",
                hint="the mirror is out of date; use another, or ask for the past with --as-of",
            )


def _earlier(
    indexes: DebianIndexes,
    fetched: tuple[FetchedIndex, ...],
    architectures: tuple[str, ...],
    previous: Lock | None,
    context: Context,
) -> tuple[FetchedIndex, ...]:
    """The suites as the lock saw them, where the store still has them."""
    if previous is None:
        return ()
    current = {(item.source.archive, item.source.suite): item for item in fetched}
    found: list[FetchedIndex] = []
    for pin in previous.apt_indexes:
        item = current.get((pin.archive, pin.suite))
        if item and item.release.sha256 != pin.sha256 and context.store.find(pin.sha256):
            found.extend(indexes.stored(item.source, pin.sha256, architectures))
    return tuple(found)


def _choices(
    index: Index,
    platform: Platform,
    options: ResolveOptions,
    previous: Lock | None,
    *,
    base: bool,
) -> dict[Key, BinaryPackage]:
    """The versions of an earlier lock, for what may not move and is still described."""
    chosen: dict[Key, BinaryPackage] = {}
    for pin in previous.apt if previous else ():
        if pin.base is not base or platform not in pin.platforms or options.may_move(pin.name):
            continue
        key = (str(pin.name), _key_architecture(pin, index))
        package = _version(index, key, pin)
        if package is not None:
            chosen[key] = package
    return chosen


def _version(index: Index, key: Key, pin: AptPin) -> BinaryPackage | None:
    """The locked package itself: the same version with the same bytes."""
    for package, _priority in index.versions(key):
        if package.version == pin.version and package.sha256 == pin.artifact.sha256:
            return package
    return None


def _key_architecture(pin: AptPin, index: Index) -> str:
    return index.architecture if pin.architecture == "all" else pin.architecture


def _section(
    suites: Suites, resolution: Resolution, platform: Platform, *, base: bool
) -> AptSection:
    index = suites.index
    pins = tuple(
        _pin(package, index, resolution, platform, base=base) for package in resolution.added
    )
    return AptSection(
        indexes=_index_pins(suites, resolution.added),
        pins=pins,
        removals=tuple(
            AptRemoval(
                name=deb_name(package.name),
                version=package.version,
                architecture=package.architecture,
                platforms=(platform,),
                required_by=resolution.removed_by.get(index.key(package), ()),
            )
            for package in resolution.removed
        ),
        archives=unknown_archives(suites.sources),
        installed=Installed(packages=resolution.packages),
    )


def _pin(
    package: BinaryPackage, index: Index, resolution: Resolution, platform: Platform, *, base: bool
) -> AptPin:
    file, key = index.file_of(package), index.key(package)
    return AptPin(
        name=deb_name(package.name),
        version=package.version,
        architecture=package.architecture,
        suite=file.suite,
        source=package.source,
        artifact=Artifact(
            archive=file.archive,
            path=_path(file, package),
            sha256=package.sha256,
            size=package.size,
        ),
        platforms=(platform,),
        required_by=resolution.required_by.get(key, ()),
        base=base,
        manual=key in resolution.manual,
    )


def _path(file: IndexFile, package: BinaryPackage) -> str:
    """The path in the archive; IntegrityError for one that leaves it."""
    parts = package.path.split("/")
    if package.path.startswith("/") or ".." in parts or "" in parts:
        raise IntegrityError(
            f"the index names an unsafe path '{package.path}' for {package.name}",
            where=f"{file.archive} {file.suite}",
            hint="do not use this archive before its owners have explained it",
        )
    return package.path


def _index_pins(suites: Suites, added: tuple[BinaryPackage, ...]) -> tuple[AptIndexPin, ...]:
    """One pin a live suite, and one for each earlier state that a kept package still needs."""
    used = {suites.index.file_of(package) for package in added}
    pins = [_index_pin(item) for item in suites.fetched]
    for item in suites.earlier:
        keys = {(item.source.archive, item.source.suite)}
        if any((f.archive, f.suite) in keys and f.priority == _NEVER for f in used):
            pins.append(_index_pin(item))
    return tuple(pins)


def _index_pin(item: FetchedIndex) -> AptIndexPin:
    release = item.release
    return AptIndexPin(
        archive=item.source.archive,
        suite=item.source.suite,
        components=item.source.components,
        sha256=Sha256(release.sha256),
        date=release.date,
        signed_by=release.signed_by,
        snapshot=item.source.snapshot,
    )


__all__ = ["base_sources", "default_sources", "spec_sources"]
