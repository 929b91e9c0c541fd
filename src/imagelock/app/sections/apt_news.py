"""What the suites have that a lock does not: for ``outdated`` and ``lock --security``."""

from __future__ import annotations

from dataclasses import dataclass

from imagelock.app.sections.apt_suites import NEVER, Suites, pin_key
from imagelock.model.debian import BinaryPackage
from imagelock.model.debian_version import compare_debian_versions
from imagelock.model.lock import AptPin, Lock
from imagelock.model.platform import Platform
from imagelock.resolve.apt.index_file import IndexFile


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Newer:
    """A locked package and the newer version that would be its candidate."""

    name: str
    architecture: str
    old: str
    new: str
    suite: str
    security: bool


def newer_versions(lock: Lock, platform: Platform, suites: Suites) -> tuple[Newer, ...]:
    """The packages of a platform that are outdated, sorted by name; the base's included."""
    found = []
    for pin in lock.apt:
        if platform not in pin.platforms:
            continue
        candidate = suites.index.candidate(pin_key(pin, suites.index))
        if candidate is None or compare_debian_versions(candidate.version, pin.version) <= 0:
            continue
        found.append(
            Newer(
                name=pin.name,
                architecture=pin.architecture,
                old=pin.version,
                new=candidate.version,
                suite=suites.index.file_of(candidate).suite,
                security=_in_security(candidate, suites),
            )
        )
    return tuple(sorted(set(found)))


def security_updates(lock: Lock, platform: Platform, suites: Suites) -> frozenset[str]:
    """The packages for which a security suite has a newer version: what ``--security`` moves.

    Packages of the same source as one of them are included: they are upgraded together.
    """
    pins = [pin for pin in lock.apt if platform in pin.platforms]
    fixed = {pin.source for pin in pins if _has_fix(pin, suites)}
    return frozenset(pin.name for pin in pins if pin.source in fixed)


def _has_fix(pin: AptPin, suites: Suites) -> bool:
    return any(
        _is_security(file) and compare_debian_versions(package.version, pin.version) > 0
        for package, _priority in suites.index.versions(pin_key(pin, suites.index))
        for file in suites.index.files_of(pin_key(pin, suites.index), package.version)
    )


def _in_security(package: BinaryPackage, suites: Suites) -> bool:
    key = suites.index.key(package)
    return any(_is_security(file) for file in suites.index.files_of(key, package.version))


def _is_security(file: IndexFile) -> bool:
    """Whether a file is of a security suite: Debian's and Ubuntu's are named that way."""
    live = file.priority != NEVER
    return live and (file.suite.endswith(("-security", "/updates")))
