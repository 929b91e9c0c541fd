"""What an image is made of, as bills of materials list it: components, and who needs which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from imagelock.lock.export.entries import chosen_platforms
from imagelock.lock.export.licenses import NO_LICENSES, Licenses, license_of_conda
from imagelock.lock.export.purl import apt_purl, base_purl, conda_purl, pip_purl, python_purl
from imagelock.lock.graph import ROOTS, labels
from imagelock.lock.normal import normalise
from imagelock.lock.tag import tag_digest
from imagelock.model.archives import artifact_url, is_local
from imagelock.model.lock import (
    BASE_ROOT,
    AptPin,
    BaseKind,
    BasePin,
    CondaPin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
)
from imagelock.model.names import Sha256, hash_of
from imagelock.model.platform import Platform

PackagePin = AptPin | CondaPin | PipPin

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")


class Role(StrEnum):
    """What a component is to the image."""

    IMAGE = "image"
    BASE_IMAGE = "base-image"
    DISTRIBUTION = "distribution"
    PACKAGE = "package"
    INTERPRETER = "interpreter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the image, or the image itself.

    ``reference`` is unique in a bill: letters, digits, dots and hyphens. ``url`` and ``sha256``
    are those of its file, None where it has none. ``license`` is the SPDX expression that it
    declares, None where it is not known. ``needs`` are references, sorted.
    """

    reference: str
    role: Role
    name: str
    version: str
    platforms: tuple[Platform, ...]
    purl: str | None = None
    url: str | None = None
    sha256: Sha256 | None = None
    license: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The image, and all its parts sorted by reference. ``digest``: 32 hex digits, the lock's tag.

    What is copied into an image, and what its commands make, no lock pins and no bill lists.
    """

    image: Component
    parts: tuple[Component, ...]
    digest: str


def bill_of(lock: Lock, platform: Platform | None = None, licenses: Licenses = NO_LICENSES) -> Bill:
    """The bill of all platforms, or of one. UsageError for one that the lock is not for.

    Conda packages have the licence that the lock holds, others the one of ``licenses``.
    """
    lock = normalise(lock)
    wanted = set(chosen_platforms(lock, platform))
    digest = tag_digest(lock)
    parts = sorted(
        _merged(
            [
                *_bases(lock, wanted),
                *_interpreters(lock, wanted),
                *_packages(lock, wanted, licenses),
            ]
        ),
        key=lambda part: part.reference,
    )
    needs = _needs(lock, wanted)
    image = Component(
        reference=f"image-{_safe(lock.roots.name)}",
        role=Role.IMAGE,
        name=lock.roots.name,
        version=digest,
        platforms=tuple(sorted(wanted)),
    )
    above = {part.reference for part in parts if part.role is not Role.PACKAGE} | needs.pop(
        "", set()
    )
    return Bill(
        image=replace(image, needs=tuple(sorted(above))),
        parts=tuple(
            replace(part, needs=tuple(sorted(needs.get(part.reference, set()) - {part.reference})))
            for part in parts
        ),
        digest=digest,
    )


def _bases(lock: Lock, wanted: set[Platform]) -> Iterator[Component]:
    for pin in lock.bases:
        for platform in pin.platforms:
            if platform in wanted:
                yield _base(pin, platform)


def _base(pin: BasePin, platform: Platform) -> Component:
    if pin.kind is BaseKind.DISTRIBUTION:
        vendor, _, suite = pin.reference.partition(":")
        return Component(
            reference=_distribution(pin),
            role=Role.DISTRIBUTION,
            name=vendor,
            version=suite,
            platforms=(platform,),
        )
    return Component(
        reference=f"base-{platform.architecture}-{hash_of(pin.digest)}",
        role=Role.BASE_IMAGE,
        name=pin.reference,
        version=pin.digest,
        platforms=(platform,),
        purl=base_purl(pin, platform),
        sha256=hash_of(pin.digest),
    )


def _distribution(pin: BasePin) -> str:
    return f"distribution-{_safe(pin.reference)}"


def _interpreters(lock: Lock, wanted: set[Platform]) -> Iterator[Component]:
    """The Pythons that come with a base image: those of apt and conda are packages."""
    for pin in lock.pythons:
        found = tuple(platform for platform in pin.platforms if platform in wanted)
        if found and pin.provider is PythonProvider.BASE:
            yield _interpreter(pin, found)


def _interpreter(pin: PythonPin, platforms: tuple[Platform, ...]) -> Component:
    return Component(
        reference=f"python-{_safe(pin.version)}",
        role=Role.INTERPRETER,
        name="python",
        version=pin.version,
        platforms=platforms,
        purl=python_purl(pin),
    )


def _packages(lock: Lock, wanted: set[Platform], licenses: Licenses) -> Iterator[Component]:
    for pin in _pins(lock):
        found = tuple(platform for platform in pin.platforms if platform in wanted)
        if found:
            yield Component(
                reference=_package_reference(pin),
                role=Role.PACKAGE,
                name=str(pin.name),
                version=pin.version,
                platforms=found,
                purl=_purl(pin, lock),
                url=_url(pin, lock),
                sha256=pin.artifact.sha256,
                license=(
                    license_of_conda(pin)
                    if isinstance(pin, CondaPin)
                    else licenses.get(pin.artifact.sha256)
                ),
            )


def _pins(lock: Lock) -> tuple[PackagePin, ...]:
    return (*lock.apt, *lock.conda, *lock.pip)


def _url(pin: PackagePin, lock: Lock) -> str | None:
    """Where the file is; None for a folder beside the spec, which is nowhere else."""
    url = artifact_url(pin.artifact, lock.archives)
    return None if is_local(url) else url


def _purl(pin: PackagePin, lock: Lock) -> str:
    match pin:
        case AptPin():
            return apt_purl(pin, lock)
        case CondaPin():
            return conda_purl(pin, lock)
        case PipPin():
            return pip_purl(pin, lock)


def _kind(pin: PackagePin) -> str:
    return {AptPin: "deb", CondaPin: "conda", PipPin: "pypi"}[type(pin)]


def _package_reference(pin: PackagePin) -> str:
    """The hash keeps apart what has one name and version, such as wheels of two platforms."""
    return f"{_kind(pin)}-{_safe(f'{pin.name}-{pin.version}')}-{pin.artifact.sha256}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)


def _merged(parts: Iterable[Component]) -> list[Component]:
    """One component a reference, for the platforms of all."""
    found: dict[str, Component] = {}
    for part in parts:
        earlier = found.get(part.reference, part)
        platforms = tuple(sorted({*earlier.platforms, *part.platforms}))
        found[part.reference] = replace(part, platforms=platforms)
    return list(found.values())


def _needs(lock: Lock, wanted: set[Platform]) -> dict[str, set[str]]:
    """What each reference needs; what the image itself asks for is under ''."""
    pins = [
        (pin, platform) for pin in _pins(lock) for platform in pin.platforms if platform in wanted
    ]
    names = {
        (_kind(pin), label, platform): _package_reference(pin)
        for pin, platform in pins
        for label in labels(pin)
    }
    distributions = {
        platform: _distribution(pin)
        for pin in lock.bases
        if pin.kind is BaseKind.DISTRIBUTION
        for platform in pin.platforms
    }
    needs: dict[str, set[str]] = {}
    for pin, platform in pins:
        for edge in pin.required_by:
            if edge.name == BASE_ROOT:
                above = distributions.get(platform, "")
            elif edge.name in ROOTS:
                above = ""
            else:
                # Who is not in the lock is in the base image.
                above = names.get((_kind(pin), edge.name, platform), "")
            needs.setdefault(above, set()).add(_package_reference(pin))
    return needs
