"""Whether a wheel's METADATA is what its lock was decided on.

The lock keeps every edge between packages, so the check needs nothing more: what the wheel requires
on the target must be in the lock as it says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from imagelock.fetch.pypi.files import metadata_in
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import Lock, PipPin, Requirer
from imagelock.model.names import PipName, pip_name
from imagelock.model.plan import WheelsStep
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.plan.pip import VENV
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile
from imagelock.resolve.pip.requirements import Markers, Parsed, allows, parse, version
from imagelock.resolve.pip.target import TargetTags, environment_of

_HINT = "the index and its files disagree: run `imagelock lock --upgrade`, and tell who made it"


@dataclass(frozen=True)
class Agreement:
    """The checks of one lock on one platform."""

    lock: Lock
    platform: Platform

    @cached_property
    def target(self) -> PythonTarget:
        """The interpreter that the wheels are for."""
        python = self.lock.python_for(self.platform)
        assert python is not None
        return PythonTarget(
            platform=self.platform,
            version=python.version,
            implementation=python.implementation,
            libc=self.lock.base_for(self.platform).libc or "",
        )

    @cached_property
    def _markers(self) -> Markers:
        return Markers(environment_of(self.target))

    @cached_property
    def _edges(self) -> set[tuple[PipName, Requirer]]:
        pins = (pin for pin in self.lock.pip if self.platform in pin.platforms)
        return {(pin.name, edge) for pin in pins for edge in pin.required_by}

    @cached_property
    def _names(self) -> frozenset[PipName]:
        return frozenset(pin.name for pin in self.lock.pip if self.platform in pin.platforms)

    def _is_elsewhere(self, name: PipName) -> bool:
        """Whether a package may be one that no edge of pip's leads to.

        That is one of conda's, or of the environment that the base has already.
        """
        python = self.lock.python_for(self.platform)
        joins = python is not None and python.executable.startswith(f"{VENV}/")
        return name not in self._names and (
            joins or any(self.platform in pin.platforms for pin in self.lock.conda)
        )

    @cached_property
    def _overrides(self) -> dict[PipName, list[Parsed]]:
        found: dict[PipName, list[Parsed]] = {}
        for line in self.lock.roots.pip.all_overrides:
            item = parse(line)
            found.setdefault(item.name, []).append(item)
        return found

    def check(self, metadata: CoreMetadata, pin: PipPin, *, where: str) -> None:
        """IntegrityError for a name, version, Python or requirement that the lock does not have."""
        try:
            self._check_identity(metadata, pin, where)
            required = self._required(metadata, pin)
        except ValueError as error:
            raise IntegrityError(f"its metadata cannot be read: {error}", where=where) from None
        for item in required:
            edge = Requirer(name=pin.name, specifier=item.specifier)
            if item.name == pin.name or self._is_elsewhere(item.name):
                continue
            if (item.name, edge) not in self._edges:
                wish = f"{item.name}{item.specifier}"
                raise IntegrityError(
                    f"its metadata requires {wish}, which the lock does not say",
                    where=where,
                    hint=_HINT,
                )

    def check_tags(self, filename: str, *, where: str) -> None:
        """IntegrityError for a wheel that is not for the target."""
        if TargetTags(self.target).rank(filename) is None:
            raise IntegrityError(
                f"the wheel '{filename}' does not fit Python {self.target.version} on"
                f" {self.platform} with {self.target.libc}",
                where=where,
            )

    def _check_identity(self, metadata: CoreMetadata, pin: PipPin, where: str) -> None:
        if pip_name(metadata.name) != pin.name:
            raise _other(pin.name, metadata.name, "name", where)
        if version(metadata.version) != version(pin.version):
            raise _other(pin.version, metadata.version, "version", where)
        python = self.target.version
        if metadata.requires_python and not allows(metadata.requires_python, python):
            raise _other(python, metadata.requires_python, "Python", where)

    @cached_property
    def _asked_extras(self) -> dict[PipName, set[str]]:
        """The extras that the spec itself asks for on this platform."""
        found: dict[PipName, set[str]] = {}
        lines = [parse(line) for line in self.lock.roots.pip.all_requirements]
        kept = [item for item in lines if item.name not in self._overrides]
        replaced = [item for items in self._overrides.values() for item in items]
        for item in (*kept, *replaced):
            if self._markers.hold(item.marker):
                found.setdefault(item.name, set()).update(item.extras)
        return found

    def _extras(self, metadata: CoreMetadata, pin: PipPin) -> tuple[str, ...]:
        """The extras of a pin that are surely asked for on this platform.

        A pin has those of all its platforms. Which are this one's is plain where it has no other,
        where the spec asks for them itself, and where one of those asks for another.
        """
        if pin.platforms == (self.platform,):
            return pin.extras
        known = sorted(self._asked_extras.get(pin.name, set()) & set(pin.extras))
        for extra in known:
            for item in self._markers.applying(metadata.requires_dist, extra):
                if item.name == pin.name:
                    known += sorted({*item.extras} & {*pin.extras} - {*known})
        return tuple(known)

    def _required(self, metadata: CoreMetadata, pin: PipPin) -> list[Parsed]:
        found = []
        for extra in ("", *self._extras(metadata, pin)):
            for item in self._markers.applying(metadata.requires_dist, extra):
                instead = self._overrides.get(item.name)
                if instead is None:
                    found.append(item)
                else:
                    found += [other for other in instead if self._markers.hold(other.marker)]
        return found


def check_wheels(agreement: Agreement, step: WheelsStep, files: Mapping[str, Path]) -> None:
    """Check every wheel of a step; ``files`` gives them by sha256."""
    for pin in step.wheels:
        where = f"{pin.name} {pin.version}"
        file = IndexFile(filename=pin.artifact.filename, url=where)
        agreement.check(metadata_in(files[pin.artifact.sha256], file), pin, where=where)


def _other(wanted: str, found: str, what: str, where: str) -> IntegrityError:
    return IntegrityError(
        f"expected metadata for the {what} {wanted}, got {found}", where=where, hint=_HINT
    )
