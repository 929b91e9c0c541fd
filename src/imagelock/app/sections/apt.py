"""The apt sections of a lock: a bootstrapped base, and what is installed on a base."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt_sources import default_sources, spec_sources, unknown_archives
from imagelock.app.sections.apt_suites import (
    NEVER,
    Suites,
    index_pin,
    locked_version,
    open_suites,
    pin_key,
)
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
from imagelock.model.names import deb_name
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSpec, DistributionBase
from imagelock.resolve.apt.index import Index, Key
from imagelock.resolve.apt.index_file import IndexFile
from imagelock.resolve.apt.request import parse_request
from imagelock.resolve.apt.resolution import (
    Resolution,
    Root,
    resolve_bootstrap,
    resolve_packages,
)
from imagelock.resolve.apt.status import parse_status

__all__ = [
    "AptSection",
    "Suites",
    "apt_section",
    "bootstrap_section",
    "candidate_version",
    "foreign_architectures",
    "installed_from_pins",
    "installed_from_status",
    "open_suites",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSection:
    """What one platform's apt adds to a lock.

    ``indexes`` may name a suite twice, the live state last: an earlier one is kept as long as a
    locked package comes from it. ``archives`` are those that are not well known; ``installed``
    is the whole set afterwards, what a next section starts from.
    """

    indexes: tuple[AptIndexPin, ...] = ()
    pins: tuple[AptPin, ...] = ()
    removals: tuple[AptRemoval, ...] = ()
    archives: tuple[Archive, ...] = ()
    installed: Installed = field(default_factory=Installed)


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
    return _section(suites, resolution, platform, previous, base=True)


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
    return _section(suites, resolution, platform, previous, base=False)


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
        package = locked_version(suites.index, pin)
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
        package = locked_version(index, pin)
        if package is not None:
            chosen[pin_key(pin, index)] = package
    return chosen


def _section(
    suites: Suites,
    resolution: Resolution,
    platform: Platform,
    previous: Lock | None,
    *,
    base: bool,
) -> AptSection:
    index = suites.index
    pins = tuple(
        _pin(package, index, resolution, platform, base=base) for package in resolution.added
    )
    return AptSection(
        indexes=_index_pins(suites, resolution.added, previous),
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


def _index_pins(
    suites: Suites, added: tuple[BinaryPackage, ...], previous: Lock | None
) -> tuple[AptIndexPin, ...]:
    """The lock's own states of suites that kept packages come from, then every live suite."""
    live = tuple(index_pin(item) for item in suites.fetched)
    files = (suites.index.file_of(package) for package in added)
    needed = {(file.archive, file.suite) for file in files if file.priority == NEVER}
    earlier = (
        pin
        for pin in (previous.apt_indexes if previous else ())
        if (pin.archive, pin.suite) in needed and pin not in live
    )
    return (*earlier, *live)
