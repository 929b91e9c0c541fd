"""What both formats are made of: one entry a version, with the platforms it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from imagelock.model.archives import WELL_KNOWN_INDEXES, artifact_url
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock, PipPin
from imagelock.model.names import PipName, pip_name
from imagelock.model.platform import Platform

_DIRECT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version of a project and its files, sorted by their names.

    ``marker`` is empty where the version is for all platforms (PEP 508). ``direct``: the spec
    names the one file by its URL, so that no index is asked for it.
    """

    name: PipName
    version: str
    pins: tuple[PipPin, ...]
    marker: str
    direct: bool


def entries_of(lock: Lock, platform: Platform | None) -> tuple[Entry, ...]:
    """The pip packages, sorted by name, version and platform; of one platform if any is given.

    UsageError for a platform that the lock is not for.
    """
    wanted = chosen_platforms(lock, platform)
    direct = set(_direct_names(lock))
    groups: dict[tuple[PipName, str, str], list[PipPin]] = {}
    for pin in lock.pip:
        if set(pin.platforms) & set(wanted):
            url = artifact_url(pin.artifact, lock.archives) if pin.name in direct else ""
            groups.setdefault((pin.name, pin.version, url), []).append(pin)
    entries = []
    for (name, version, url), pins in groups.items():
        found = {item for pin in pins for item in pin.platforms} & set(wanted)
        marker = "" if found == set(wanted) else platforms_marker(found)
        ordered = sorted(pins, key=lambda pin: (pin.artifact.filename, pin.artifact.sha256))
        entries.append(
            Entry(name=name, version=version, pins=tuple(ordered), marker=marker, direct=bool(url))
        )
    return tuple(sorted(entries, key=lambda entry: (entry.name, entry.version, entry.marker)))


def chosen_platforms(lock: Lock, platform: Platform | None) -> tuple[Platform, ...]:
    """All platforms of a lock, or the one that is asked for. UsageError for one it is not for."""
    if platform is None:
        return lock.platforms
    if platform not in lock.platforms:
        known = ", ".join(map(str, lock.platforms))
        raise UsageError(f"expected a platform of this lock ({known}), got '{platform}'")
    return (platform,)


def platforms_marker(platforms: Iterable[Platform]) -> str:
    """The marker that holds on these platforms and on no other."""
    machines = [f"platform_machine == '{platform.machine}'" for platform in sorted(platforms)]
    joined = " or ".join(machines)
    return f"sys_platform == 'linux' and {f'({joined})' if len(machines) > 1 else joined}"


def index_urls(lock: Lock) -> tuple[str, tuple[str, ...]]:
    """The URL of the index, and those of the extra ones, in order of priority."""
    pip = lock.roots.pip
    urls = [WELL_KNOWN_INDEXES.get(name, name) for name in (pip.index, *pip.extra_indexes)]
    return urls[0], tuple(url for url in dict.fromkeys(urls[1:]) if url != urls[0])


def pythons_of(lock: Lock, platforms: Iterable[Platform]) -> tuple[str, ...]:
    """The exact versions of the interpreters, sorted."""
    pins = (lock.python_for(platform) for platform in platforms)
    return tuple(sorted({pin.version for pin in pins if pin is not None}))


def _direct_names(lock: Lock) -> Iterator[PipName]:
    """The projects that the spec takes from URLs."""
    for line in (*lock.roots.pip.all_requirements, *lock.roots.pip.all_overrides):
        if match := _DIRECT.match(line):
            yield pip_name(match[1])
