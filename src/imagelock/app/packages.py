"""The base and the apt packages of one platform: what stands in the image before pip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import (
    AptSection,
    apt_section,
    bootstrap_section,
    candidate_version,
    foreign_architectures,
    installed_from_pins,
    installed_from_status,
)
from imagelock.app.sections.apt_sources import base_sources, default_sources, spec_sources
from imagelock.app.sections.apt_suites import Suites, open_suites, wanted_suites
from imagelock.app.sections.base import base_section, contents_of_pins
from imagelock.app.sections.base_venv import venv_python
from imagelock.app.sections.python import python_roots
from imagelock.fetch.debian.index import Wanted
from imagelock.model.base import BaseContents
from imagelock.model.debian import AptArchiveSource, Installed
from imagelock.model.errors import NoSolution
from imagelock.model.lock import (
    PYTHON_ROOT,
    AptPin,
    BaseKind,
    BasePin,
    Lock,
    PythonPin,
    distribution_digest,
)
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import DistributionBase, Spec

P = TypeVar("P", bound=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base and what stands in it: ``section`` has the pins of a bootstrapped one."""

    pin: BasePin
    contents: BaseContents
    installed: Installed
    section: AptSection = field(default_factory=AptSection)


@dataclass(kw_only=True)
class PlatformPackages:
    """Base and apt of one platform. The suites are opened when first asked, and once.

    ``keep_base``: the previous lock's base stays as it is.
    """

    spec: Spec
    platform: Platform
    previous: Lock | None
    context: Context
    options: ResolveOptions
    spec_folder: Path
    keep_base: bool

    @cached_property
    def base(self) -> Base:
        """The base, resolved or kept."""
        if isinstance(self.spec.base, DistributionBase):
            return self._bootstrapped(self.spec.base)
        section = base_section(
            self.spec,
            self.platform,
            context=self.context,
            options=self.options,
            previous=self.previous,
            spec_folder=self.spec_folder,
        )
        status = section.contents.dpkg_status
        return Base(
            pin=section.pin,
            contents=section.contents,
            installed=installed_from_status(status) if status else Installed(),
        )

    @cached_property
    def apt(self) -> AptSection:
        """The packages that the spec, and the interpreter it needs, put on top of the base."""
        base = self.base
        roots: tuple[str, ...] = ()
        if self.spec.needs_python and not self.spec.has_conda:
            roots = python_roots(
                self.spec.python,
                base.contents,
                self._candidate,
                executable=self.named_python,
            )
        if not (self.spec.apt.packages or roots):
            return AptSection(installed=base.installed)
        if not self._all_sources:
            raise NoSolution(
                f"'{base.pin.reference}' has no apt sources to install packages from",
                where="apt.packages",
                hint="choose a Debian or Ubuntu base, or add an [[apt.source]]",
            )
        return apt_section(
            self.spec.apt,
            self.platform,
            installed=base.installed,
            sources=self._base_sources,
            extra_roots=tuple((PYTHON_ROOT, name) for name in roots),
            context=self.context,
            options=self.options,
            previous=self.previous,
            spec_folder=self.spec_folder,
            suites=self.suites,
        )

    @property
    def named_python(self) -> str | None:
        """The interpreter that the spec names, or that of the base's environment for packages."""
        spec = self.spec
        if spec.pip.python_exec is not None or not spec.has_pip or spec.has_conda:
            return spec.pip.python_exec
        return venv_python(self.base.contents)

    @cached_property
    def suites(self) -> Suites:
        """All the sources that packages come from, the spec's own included."""
        if self._all_sources == self._base_sources and isinstance(self.spec.base, DistributionBase):
            return self._base_suites
        return self._open(self._all_sources)

    @property
    def suites_known_beforehand(self) -> tuple[Wanted, ...]:
        """The suites that :attr:`suites` will read, where that does not depend on a base image."""
        if not isinstance(self.spec.base, DistributionBase):
            return ()
        return (
            wanted_suites(
                self._all_sources,
                self.platform,
                options=self.options,
                foreign=foreign_architectures(self.spec.apt),
            ),
        )

    @property
    def pins(self) -> tuple[AptPin, ...]:
        """All packages of the image that have pins."""
        return (*self.base.section.pins, *self.apt.pins)

    @cached_property
    def _base_suites(self) -> Suites:
        return self._open(self._base_sources)

    @cached_property
    def _base_sources(self) -> tuple[AptArchiveSource, ...]:
        if isinstance(self.spec.base, DistributionBase):
            return default_sources(self.spec.base, self.platform)
        return base_sources(self.base.contents.apt_sources, self.platform)

    @cached_property
    def _all_sources(self) -> tuple[AptArchiveSource, ...]:
        own = spec_sources(self.spec.apt.sources, self.platform, folder=self.spec_folder)
        return (*self._base_sources, *own)

    def _candidate(self, name: str) -> str | None:
        return candidate_version(self.suites, name) if self._all_sources else None

    def _open(self, sources: tuple[AptArchiveSource, ...]) -> Suites:
        bootstrapped = isinstance(self.spec.base, DistributionBase)
        return open_suites(
            sources,
            self.platform,
            context=self.context,
            options=self.options,
            previous=self.previous,
            foreign=foreign_architectures(self.spec.apt),
            preferences=() if bootstrapped else self.base.contents.apt_preferences,
        )

    def _bootstrapped(self, base: DistributionBase) -> Base:
        section = self._kept_base()
        if section is None:
            section = bootstrap_section(
                base,
                self.platform,
                context=self.context,
                options=self.options,
                previous=self.previous,
                suites=self._base_suites,
            )
        contents = contents_of_pins(section.pins)
        pin = BasePin(
            kind=BaseKind.DISTRIBUTION,
            reference=base.distribution,
            variant=base.variant,
            digest=distribution_digest(section.pins),
            libc=contents.libc,
            platforms=(self.platform,),
        )
        return Base(pin=pin, contents=contents, installed=section.installed, section=section)

    def _kept_base(self) -> AptSection | None:
        """The locked base as it is, None when it is to be resolved.

        A package that has left the archive since, and that nothing describes any more, is
        resolved again with the other locked versions preferred, so that it alone moves.
        """
        if not self.keep_base or self.previous is None:
            return None
        pins = tuple(pin for pin in pins_for(self.previous.apt, self.platform) if pin.base)
        try:
            installed = installed_from_pins(pins, self._base_suites)
        except NoSolution:
            return None
        return AptSection(pins=pins, installed=installed)


def target_of(python: PythonPin, base: BasePin, platform: Platform) -> PythonTarget:
    """The interpreter of a platform as wheels see it."""
    return PythonTarget(
        platform=platform,
        version=python.version,
        implementation=python.implementation,
        libc=base.libc or "",
    )


def pins_for(pins: Iterable[P], platform: Platform) -> list[P]:
    """The pins of one platform, each for that platform alone."""
    return [replace(pin, platforms=(platform,)) for pin in pins if platform in pin.platforms]
