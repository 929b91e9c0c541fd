"""One run of the resolvers over the platforms of a spec, gathered into a lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.packages import PlatformPackages, pins_for, target_of
from imagelock.app.sections.apt import AptSection
from imagelock.app.sections.base_venv import installed_in_venv, is_in_venv
from imagelock.app.sections.conda import CondaSections, conda_python
from imagelock.app.sections.python import python_section
from imagelock.lock import Section
from imagelock.model.archives import Archive
from imagelock.model.errors import UsageError
from imagelock.model.lock import (
    AptIndexPin,
    AptPin,
    AptRemoval,
    BasePin,
    CondaPin,
    Lock,
    PipBuildPin,
    PipPin,
    PythonPin,
)
from imagelock.model.names import PipName
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import Spec

if TYPE_CHECKING:
    from imagelock.resolve.pip.installed import Installed


@dataclass(slots=True, kw_only=True)
class Resolution:
    """In the order base, conda, apt, python, pip; each section sees those before it."""

    spec: Spec
    previous: Lock | None
    context: Context
    options: ResolveOptions
    spec_folder: Path
    sections: frozenset[Section]
    archives: set[Archive] = field(default_factory=set)
    bases: list[BasePin] = field(default_factory=list)
    kept_indexes: tuple[AptIndexPin, ...] = ()
    indexes: set[AptIndexPin] = field(default_factory=set)
    apt: list[AptPin] = field(default_factory=list)
    removals: list[AptRemoval] = field(default_factory=list)
    conda: list[CondaPin] = field(default_factory=list)
    pythons: list[PythonPin] = field(default_factory=list)
    pip: list[PipPin] = field(default_factory=list)
    pip_builds: list[PipBuildPin] = field(default_factory=list)

    def resolve(self, platforms: tuple[Platform, ...]) -> None:
        """Resolve the stale sections for these platforms, keep the pins of the others."""
        self._keep_indexes()
        self.context, indexes = self.context.with_debian()
        packages = {platform: self._packages(platform) for platform in platforms}
        # The archives of the next platform are read while this one's packages are chosen.
        ahead = packages.values() if not self._below_is_kept and len(platforms) > 1 else ()
        targets: dict[Platform, PythonTarget] = {}
        with (
            indexes.reading_ahead(
                wanted for item in ahead for wanted in item.suites_known_beforehand
            ),
            CondaSections(
                spec=self.spec,
                previous=self.previous,
                context=self.context,
                options=self.options,
                spec_folder=self.spec_folder,
            ) as conda,
        ):
            for platform in platforms:
                target = self._resolve_packages(platform, packages[platform], conda)
                if target is not None:
                    targets[platform] = target
        self._resolve_pip(packages, targets)

    def keep(self, platforms: tuple[Platform, ...]) -> None:
        """Keep every pin of these platforms as it was."""
        if self.previous is None:
            return
        self._keep_indexes()
        for platform in platforms:
            self.bases += pins_for(self.previous.bases, platform)
            self.apt += pins_for(self.previous.apt, platform)
            self.removals += pins_for(self.previous.apt_removals, platform)
            self.conda += pins_for(self.previous.conda, platform)
            self.pythons += pins_for(self.previous.pythons, platform)
            self._keep_pip(platform)

    def lock(self) -> Lock:
        """What was gathered, not yet in normal form."""
        used = {pin.artifact.archive for pin in self.apt}
        used |= {pin.artifact.archive for pin in self.conda}
        used |= {pin.artifact.archive for pin in self.pip}
        used |= {pin.artifact.archive for pin in self.pip_builds}
        read = {(index.archive, index.suite) for index in self.indexes}
        kept = {i for i in self.kept_indexes if (i.archive, i.suite) not in read}
        indexes = tuple(self.indexes | kept)
        used |= {index.archive for index in indexes}
        return Lock(
            roots=self.spec,
            archives=tuple(archive for archive in self.archives if archive.name in used),
            bases=tuple(self.bases),
            apt_indexes=indexes,
            apt=tuple(self.apt),
            apt_removals=tuple(self.removals),
            conda=tuple(self.conda),
            pythons=tuple(self.pythons),
            pip=tuple(self.pip),
            pip_builds=tuple(self.pip_builds),
        )

    def _keep_indexes(self) -> None:
        if self.previous is None:
            return
        self.archives.update(self.previous.archives)
        if Section.BASE not in self.sections:
            self.kept_indexes = self.previous.apt_indexes

    def _packages(self, platform: Platform) -> PlatformPackages:
        return PlatformPackages(
            spec=self.spec,
            platform=platform,
            previous=self.previous,
            context=self.context,
            options=self.options,
            spec_folder=self.spec_folder,
            keep_base=Section.BASE not in self.sections,
        )

    @property
    def _below_is_kept(self) -> bool:
        """Whether the base and the apt packages stay as they are."""
        return self.sections.isdisjoint({Section.BASE, Section.APT})

    def _resolve_packages(
        self, platform: Platform, packages: PlatformPackages, conda: CondaSections
    ) -> PythonTarget | None:
        """Base, conda, apt and python of one platform; the target its wheels are chosen for."""
        if self._below_is_kept:
            assert self.previous is not None
            base: BasePin = pins_for(self.previous.bases, platform)[0]
            self.apt += pins_for(self.previous.apt, platform)
            self.removals += pins_for(self.previous.apt_removals, platform)
            self._resolve_conda(platform, base, conda)
            if self.spec.needs_python:
                self._keep_or_find_python(platform)
        else:
            base = self._resolve_below(platform, packages, conda)
        self.bases.append(base)
        return self._target(platform, base)

    def _resolve_below(
        self, platform: Platform, packages: PlatformPackages, conda: CondaSections
    ) -> BasePin:
        """All sections but pip."""
        base = packages.base
        self._gather(base.section)
        self._resolve_conda(platform, base.pin, conda)
        self._gather(packages.apt)
        if self.spec.needs_python and self.spec.has_conda:
            self._keep_or_find_python(platform)
        elif self.spec.needs_python:
            python = python_section(
                self.spec.python,
                base.contents,
                packages.pins,
                platform,
                executable=packages.named_python,
            )
            self.pythons.append(python)
        return base.pin

    def _resolve_conda(self, platform: Platform, base: BasePin, conda: CondaSections) -> None:
        if Section.CONDA in self.sections:
            section = conda.resolve(platform, base)
            self.archives.update(section.archives)
            self.conda += section.pins
        elif self.previous is not None:
            self.conda += pins_for(self.previous.conda, platform)

    def _keep_or_find_python(self, platform: Platform) -> None:
        """Conda's interpreter follows from its packages; any other is kept."""
        if self.spec.has_conda:
            if self.spec.pip.python_exec is not None:
                raise UsageError(
                    "expected none with conda packages: the image's Python is conda's",
                    where="pip.python-exec",
                    hint="leave it out, or put the conda packages into an image of their own",
                )
            own = [pin for pin in self.conda if platform in pin.platforms]
            self.pythons.append(conda_python(own, platform))
        elif self.previous is not None:
            self.pythons += pins_for(self.previous.pythons, platform)

    def _gather(self, section: AptSection) -> None:
        self.archives.update(section.archives)
        self.apt += section.pins
        self.removals += section.removals
        self.indexes.update(section.indexes)

    def _target(self, platform: Platform, base: BasePin) -> PythonTarget | None:
        python = next((pin for pin in self.pythons if platform in pin.platforms), None)
        if python is None:
            return None
        return target_of(python, base, platform)

    def _keep_pip(self, platform: Platform) -> None:
        assert self.previous is not None
        self.pip += pins_for(self.previous.pip, platform)
        self.pip_builds += pins_for(self.previous.pip_builds, platform)

    def _resolve_pip(
        self,
        packages: Mapping[Platform, PlatformPackages],
        targets: dict[Platform, PythonTarget],
    ) -> None:
        if not self.spec.has_pip:
            return
        if Section.PIP not in self.sections:
            assert self.previous is not None
            for platform in packages:
                self._keep_pip(platform)
            return
        from imagelock.app.sections.gpu import bounded
        from imagelock.app.sections.pip import pip_section

        section = pip_section(
            bounded(self.spec),
            targets,
            context=self.context,
            options=self.options,
            previous=self.previous,
            folder=self.spec_folder,
            installed=self._installed(packages),
        )
        self.archives.update(section.archives)
        self.pip += section.pins
        self.pip_builds += section.builds

    def _installed(
        self, packages: Mapping[Platform, PlatformPackages]
    ) -> dict[Platform, dict[PipName, Installed]]:
        """The Python distributions that conda or the base's environment brings, by platform."""
        joined = {
            platform: installed_in_venv(item.base.contents, item.base.pin.reference)
            for platform, item in packages.items()
            if self._joins_venv(platform)
        }
        return joined or self._installed_by_conda(tuple(packages))

    def _joins_venv(self, platform: Platform) -> bool:
        """Whether pip packages go into an environment of the base."""
        if self.spec.pip.python_exec is not None:
            return False
        return any(platform in p.platforms and is_in_venv(p.executable) for p in self.pythons)

    def _installed_by_conda(
        self, platforms: tuple[Platform, ...]
    ) -> dict[Platform, dict[PipName, Installed]]:
        own = [pin for pin in self.conda if set(pin.platforms) & set(platforms)]
        if not own:
            return {}
        from imagelock.app.sections.conda_pip import installed_by_conda

        return installed_by_conda(own, self.archives, context=self.context, folder=self.spec_folder)
