"""One run of the resolvers over the platforms of a spec, gathered into a lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import (
    AptSection,
    Suites,
    apt_section,
    bootstrap_section,
    candidate_version,
    foreign_architectures,
    installed_from_pins,
    installed_from_status,
    open_suites,
)
from imagelock.app.sections.apt_sources import base_sources, default_sources, spec_sources
from imagelock.app.sections.base import base_section, contents_of_pins
from imagelock.app.sections.python import python_roots, python_section
from imagelock.lock import Section
from imagelock.model.archives import Archive
from imagelock.model.base import BaseContents
from imagelock.model.debian import AptArchiveSource, Installed
from imagelock.model.errors import NoSolution
from imagelock.model.lock import (
    PYTHON_ROOT,
    AptIndexPin,
    AptPin,
    AptRemoval,
    BaseKind,
    BasePin,
    Lock,
    PipPin,
    PythonPin,
    distribution_digest,
)
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import DistributionBase, Spec

P = TypeVar("P", bound=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseOnPlatform:
    """A base and what stands in it: ``packages`` are the pins of a bootstrapped one."""

    pin: BasePin
    contents: BaseContents
    installed: Installed
    sources: tuple[AptArchiveSource, ...]
    packages: tuple[AptPin, ...] = ()
    suites: Suites | None = None


@dataclass(slots=True, kw_only=True)
class Resolution:
    """Sections are resolved in the order base, apt, python, pip; each sees those before it."""

    spec: Spec
    previous: Lock | None
    context: Context
    options: ResolveOptions
    spec_folder: Path
    sections: frozenset[Section]
    archives: set[Archive] = field(default_factory=set)
    bases: list[BasePin] = field(default_factory=list)
    indexes: dict[tuple[str, str], AptIndexPin] = field(default_factory=dict)
    apt: list[AptPin] = field(default_factory=list)
    removals: list[AptRemoval] = field(default_factory=list)
    pythons: list[PythonPin] = field(default_factory=list)
    pip: list[PipPin] = field(default_factory=list)

    def resolve(self, platforms: tuple[Platform, ...]) -> None:
        """Resolve the stale sections for these platforms, keep the pins of the others."""
        self._keep_indexes()
        targets: dict[Platform, PythonTarget] = {}
        for platform in platforms:
            target = self._resolve_packages(platform)
            if target is not None:
                targets[platform] = target
        self._resolve_pip(platforms, targets)

    def keep(self, platforms: tuple[Platform, ...]) -> None:
        """Keep every pin of these platforms as it was."""
        if self.previous is None:
            return
        self._keep_indexes()
        for platform in platforms:
            self.bases += pins_for(self.previous.bases, platform)
            self.apt += pins_for(self.previous.apt, platform)
            self.removals += pins_for(self.previous.apt_removals, platform)
            self.pythons += pins_for(self.previous.pythons, platform)
            self.pip += pins_for(self.previous.pip, platform)

    def lock(self) -> Lock:
        """What was gathered, not yet in normal form."""
        used = {pin.artifact.archive for pin in self.apt}
        used |= {pin.artifact.archive for pin in self.pip}
        used |= {index.archive for index in self.indexes.values()}
        return Lock(
            roots=self.spec,
            archives=tuple(archive for archive in self.archives if archive.name in used),
            bases=tuple(self.bases),
            apt_indexes=tuple(self.indexes.values()),
            apt=tuple(self.apt),
            apt_removals=tuple(self.removals),
            pythons=tuple(self.pythons),
            pip=tuple(self.pip),
        )

    def _keep_indexes(self) -> None:
        if self.previous is None:
            return
        self.archives.update(self.previous.archives)
        if Section.BASE not in self.sections:
            for index in self.previous.apt_indexes:
                self.indexes.setdefault((index.archive, index.suite), index)

    def _resolve_packages(self, platform: Platform) -> PythonTarget | None:
        """Base, apt and python of one platform; the target its wheels are chosen for."""
        if self.sections <= {Section.PIP}:
            assert self.previous is not None
            self.bases += pins_for(self.previous.bases, platform)
            self.apt += pins_for(self.previous.apt, platform)
            self.removals += pins_for(self.previous.apt_removals, platform)
            self.pythons += pins_for(self.previous.pythons, platform)
            return self._target(platform, self.bases[-1])
        base = self._base(platform)
        self.bases.append(base.pin)
        packages = self._apt(platform, base)
        if self.spec.needs_python:
            python = python_section(self.spec.python, base.contents, packages, platform)
            self.pythons.append(python)
        return self._target(platform, base.pin)

    def _base(self, platform: Platform) -> BaseOnPlatform:
        base = self.spec.base
        if isinstance(base, DistributionBase):
            return self._bootstrap(base, platform)
        section = base_section(
            self.spec,
            platform,
            context=self.context,
            options=self.options,
            previous=self.previous,
            spec_folder=self.spec_folder,
        )
        status = section.contents.dpkg_status
        return BaseOnPlatform(
            pin=section.pin,
            contents=section.contents,
            installed=installed_from_status(status) if status else Installed(),
            sources=base_sources(section.contents.apt_sources, platform),
        )

    def _bootstrap(self, base: DistributionBase, platform: Platform) -> BaseOnPlatform:
        sources = default_sources(base, platform)
        suites = self._open(sources, platform)
        installed = self._kept_base(platform, suites)
        if installed is None:
            section = bootstrap_section(
                base,
                platform,
                context=self.context,
                options=self.options,
                previous=self.previous,
                suites=suites,
            )
            self._gather(section)
            pins, installed = section.pins, section.installed
        else:
            assert self.previous is not None
            pins = tuple(pin for pin in pins_for(self.previous.apt, platform) if pin.base)
            self.apt += pins
        contents = contents_of_pins(pins)
        pin = BasePin(
            kind=BaseKind.DISTRIBUTION,
            reference=base.distribution,
            variant=base.variant,
            digest=distribution_digest(pins),
            libc=contents.libc,
            platforms=(platform,),
        )
        return BaseOnPlatform(
            pin=pin,
            contents=contents,
            packages=pins,
            installed=installed,
            sources=sources,
            suites=suites,
        )

    def _kept_base(self, platform: Platform, suites: Suites) -> Installed | None:
        """The locked base as it is, None when it is to be resolved.

        A package that has left the archive since cannot be described any more; the base is then
        resolved with the locked versions preferred, so that only such packages move.
        """
        if Section.BASE in self.sections or self.previous is None:
            return None
        pins = tuple(pin for pin in pins_for(self.previous.apt, platform) if pin.base)
        try:
            return installed_from_pins(pins, suites)
        except NoSolution:
            return None

    def _open(self, sources: tuple[AptArchiveSource, ...], platform: Platform) -> Suites:
        return open_suites(
            sources,
            platform,
            context=self.context,
            options=self.options,
            previous=self.previous,
            foreign=foreign_architectures(self.spec.apt),
        )

    def _apt(self, platform: Platform, base: BaseOnPlatform) -> tuple[AptPin, ...]:
        """The packages on top of the base; returns all packages of the image that have pins."""
        extra = spec_sources(self.spec.apt.sources, platform, folder=self.spec_folder)
        suites = base.suites
        if suites is None or extra:
            if not (base.sources or extra):
                self._refuse_apt(base)
                return base.packages
            suites = self._open((*base.sources, *extra), platform)
        roots: tuple[str, ...] = ()
        if self.spec.needs_python:
            candidates = partial(candidate_version, suites)
            roots = python_roots(self.spec.python, base.contents, candidates)
        section = apt_section(
            self.spec.apt,
            platform,
            installed=base.installed,
            sources=base.sources,
            extra_roots=tuple((PYTHON_ROOT, name) for name in roots),
            context=self.context,
            options=self.options,
            previous=self.previous,
            spec_folder=self.spec_folder,
            suites=suites,
        )
        self._gather(section)
        return (*base.packages, *section.pins)

    def _refuse_apt(self, base: BaseOnPlatform) -> None:
        """A base without apt sources: fine, as long as nothing of apt is asked for."""
        if self.spec.apt.packages:
            raise NoSolution(
                f"'{base.pin.reference}' has no apt sources to install packages from",
                where="apt.packages",
                hint="choose a Debian or Ubuntu base, or add an [[apt.source]]",
            )
        if self.spec.needs_python:
            python_roots(self.spec.python, base.contents, lambda _name: None)

    def _gather(self, section: AptSection) -> None:
        self.archives.update(section.archives)
        self.apt += section.pins
        self.removals += section.removals
        for index in section.indexes:
            self.indexes[index.archive, index.suite] = index

    def _target(self, platform: Platform, base: BasePin) -> PythonTarget | None:
        python = next((pin for pin in self.pythons if platform in pin.platforms), None)
        if python is None:
            return None
        return PythonTarget(
            platform=platform,
            version=python.version,
            implementation=python.implementation,
            libc=base.libc or "",
        )

    def _resolve_pip(
        self, platforms: tuple[Platform, ...], targets: dict[Platform, PythonTarget]
    ) -> None:
        if not self.spec.has_pip:
            return
        if Section.PIP not in self.sections:
            assert self.previous is not None
            for platform in platforms:
                self.pip += pins_for(self.previous.pip, platform)
            return
        from imagelock.app.sections.pip import pip_section

        section = pip_section(
            self.spec.pip,
            targets,
            context=self.context,
            options=self.options,
            previous=self.previous,
        )
        self.archives.update(section.archives)
        self.pip += section.pins


def pins_for(pins: Iterable[P], platform: Platform) -> list[P]:
    """The pins of one platform, each for that platform alone."""
    return [replace(pin, platforms=(platform,)) for pin in pins if platform in pin.platforms]
