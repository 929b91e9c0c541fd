"""``imagelock outdated``: the locked packages that have newer versions, in every section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.packages import PlatformPackages, target_of
from imagelock.app.sections.apt_news import newer_versions, security_updates
from imagelock.app.sections.conda_pip import installed_by_conda
from imagelock.app.sections.pip_report import outdated as outdated_pip
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class OutdatedPackage:
    """A locked package and the newest version for its platform.

    ``allowed`` is what an upgrade would choose under the spec's requirements; ``security`` that a
    security suite has a newer version; ``yanked`` that the locked file was taken back.
    """

    kind: str
    name: str
    platform: Platform
    locked: str
    allowed: str
    newest: str
    security: bool = False
    yanked: bool = False


def outdated_packages(
    lock: Lock, platforms: Sequence[Platform], *, context: Context, spec_folder: Path
) -> tuple[OutdatedPackage, ...]:
    """Ask the indexes what is newer, sorted by kind, name and platform."""
    found = [
        OutdatedPackage(
            kind="apt",
            name=item.name,
            platform=platform,
            locked=item.old,
            allowed=item.new,
            newest=item.new,
            security=item.security,
        )
        for platform in platforms
        if any(platform in pin.platforms for pin in lock.apt)
        for item in newer_versions(
            lock, platform, _packages(lock, platform, context, spec_folder).suites
        )
    ]
    if lock.conda:
        from imagelock.app.sections.conda_report import outdated as outdated_conda

        found += [
            OutdatedPackage(
                kind="conda",
                name=item.name,
                platform=item.platform,
                locked=item.locked,
                allowed=item.allowed,
                newest=item.newest,
                yanked=item.gone,
            )
            for item in outdated_conda(lock, platforms, context=context, spec_folder=spec_folder)
        ]
    targets = {
        platform: target_of(python, lock.base_for(platform), platform)
        for platform in platforms
        if (python := lock.python_for(platform)) is not None
    }
    if lock.pip and targets:
        found += [
            OutdatedPackage(
                kind="pip",
                name=item.name,
                platform=item.platform,
                locked=item.locked,
                allowed=item.allowed,
                newest=item.newest,
                yanked=item.yanked,
            )
            for item in outdated_pip(
                lock,
                targets,
                context=context,
                folder=spec_folder,
                installed=installed_by_conda(
                    lock.conda, lock.archives, context=context, folder=spec_folder
                ),
            )
        ]
    return tuple(sorted(found))


def security_names(lock: Lock, *, context: Context, spec_folder: Path) -> frozenset[str]:
    """The apt packages, the base's included, that a security suite has newer versions of."""
    names: frozenset[str] = frozenset()
    for platform in lock.platforms:
        if any(platform in pin.platforms for pin in lock.apt):
            suites = _packages(lock, platform, context, spec_folder).suites
            names |= security_updates(lock, platform, suites)
    return names


def _packages(lock: Lock, platform: Platform, context: Context, folder: Path) -> PlatformPackages:
    return PlatformPackages(
        spec=lock.roots,
        platform=platform,
        previous=lock,
        context=context,
        options=ResolveOptions(),
        spec_folder=folder,
        keep_base=True,
    )
