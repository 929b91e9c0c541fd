"""Resolutions of several platforms joined to the pins of a lock, and the archives they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from imagelock.fetch.http import Http, redact
from imagelock.model.archives import (
    WELL_KNOWN_ARCHIVES,
    Archive,
    Artifact,
    is_local,
    is_repository,
    local_path,
    located,
)
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import SPEC_ROOT, PipBuildPin, PipPin, Requirer
from imagelock.model.names import PipName, Sha256, sha256
from imagelock.model.platform import Platform
from imagelock.resolve.pip.ports import IndexFile
from imagelock.resolve.pip.resolution import Chosen, Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSection:
    """The pins, sorted by name, version and file; the archives they name; what sources need."""

    pins: tuple[PipPin, ...]
    archives: tuple[Archive, ...] = ()
    builds: tuple[PipBuildPin, ...] = ()


def joined(
    resolutions: Mapping[Platform, Resolution],
    builds: Mapping[Platform, list[tuple[PipName, Resolution]]],
    http: Http,
) -> PipSection:
    """One pin for every file, over all the platforms that chose it."""
    chosen: dict[tuple[str, str, str], dict[Platform, Chosen]] = {}
    for platform, resolution in resolutions.items():
        for item in resolution.packages:
            key = (item.name, item.version, item.file.url)
            chosen.setdefault(key, {})[platform] = item
    tools = [
        (platform, package, item)
        for platform, made in builds.items()
        for package, resolution in made
        for item in resolution.packages
    ]
    urls = {item.file.url for items in chosen.values() for item in items.values()}
    names = archive_names(urls | {tool.file.url for *_, tool in tools})
    pins = tuple(_pin(chosen[key], names, http) for key in sorted(chosen))
    made_with = tuple(_build_pin(*tool, names, http) for tool in tools)
    used = {pin.artifact.archive for pin in pins} | {pin.artifact.archive for pin in made_with}
    archives = {
        Archive(name=name, url=url)
        for url, name in names.items()
        if name in used and name not in WELL_KNOWN_ARCHIVES
    }
    return PipSection(pins=pins, archives=tuple(sorted(archives)), builds=_joined_builds(made_with))


def _build_pin(
    platform: Platform, package: PipName, item: Chosen, names: Mapping[str, str], http: Http
) -> PipBuildPin:
    edges = {
        replace(edge, name=package) if edge.name == SPEC_ROOT else edge for edge in item.required_by
    }
    return PipBuildPin(
        name=item.name,
        version=item.version,
        artifact=_artifact(item.file, names, http),
        platforms=(platform,),
        builds=(package,),
        required_by=tuple(sorted(edges)),
    )


def _joined_builds(pins: Iterable[PipBuildPin]) -> tuple[PipBuildPin, ...]:
    """One pin for all the packages that a wheel builds, then for all platforms that agree."""
    by_platform: dict[tuple[object, ...], list[PipBuildPin]] = {}
    for pin in pins:
        by_platform.setdefault((pin.name, pin.artifact, pin.platforms), []).append(pin)
    groups: dict[tuple[object, ...], list[PipBuildPin]] = {}
    for same in by_platform.values():
        merged = replace(
            same[0],
            builds=tuple(sorted({name for pin in same for name in pin.builds})),
            required_by=tuple(sorted({edge for pin in same for edge in pin.required_by})),
        )
        groups.setdefault((merged.name, merged.artifact, merged.builds), []).append(merged)
    return tuple(
        replace(
            same[0],
            platforms=tuple(sorted({platform for pin in same for platform in pin.platforms})),
            required_by=tuple(sorted({edge for pin in same for edge in pin.required_by})),
        )
        for same in groups.values()
    )


def _pin(items: Mapping[Platform, Chosen], names: Mapping[str, str], http: Http) -> PipPin:
    first = items[min(items)]
    edges: set[Requirer] = set()
    for item in items.values():
        edges.update(item.required_by)
    return PipPin(
        name=first.name,
        version=first.version,
        artifact=_artifact(first.file, names, http),
        platforms=tuple(sorted(items)),
        required_by=tuple(sorted(edges)),
        extras=tuple(sorted({extra for item in items.values() for extra in item.extras})),
        requested=any(item.requested for item in items.values()),
    )


def archive_names(urls: Iterable[str]) -> dict[str, str]:
    """A name for the archive of every URL: a well-known one's, else made of its host or folder.

    Of several that would have the same name the later ones are numbered, in the order of URLs.
    """
    names = {url: name for name, url in WELL_KNOWN_ARCHIVES.items()}
    for root in sorted({located(url)[0] for url in urls} - names.keys()):
        base = _archive_name(root)
        name, number = base, 2
        while name in names.values():
            name, number = f"{base}-{number}", number + 1
        names[root] = name
    return names


def _archive_name(root: str) -> str:
    if is_local(root):
        words = [part for part in local_path(root).split("/") if part not in {".", ".."}]
        text = words[-1] if words else "here"
    elif is_repository(root):
        text = root.removesuffix(".git").rpartition("/")[2]
    else:
        text = urlsplit(root).netloc
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-") or "archive"


def _artifact(file: IndexFile, names: Mapping[str, str], http: Http) -> Artifact:
    root, path = located(file.url)
    return Artifact(
        archive=names[root],
        path=path,
        sha256=_hash(file),
        size=file.size if file.size is not None else _size(file, http),
    )


def _hash(file: IndexFile) -> Sha256:
    try:
        return sha256(file.sha256 or "")
    except ValueError as error:
        raise IntegrityError(
            "the index gives no sha256 for this file, so it cannot be locked",
            where=redact(file.url),
            hint="use an index that lists sha256 hashes (PEP 503)",
        ) from error


def _size(file: IndexFile, http: Http) -> int:
    """The size an index without PEP 700 does not tell."""
    length = http.request("HEAD", file.url).headers.get("content-length", "")
    if not length.isdigit():
        raise IntegrityError(
            "neither the index nor the server tells the size of this file", where=redact(file.url)
        )
    return int(length)
