"""Two locks → what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from imagelock.lock.diff.model import (
    Direction,
    LockDiff,
    PackageChange,
    PackageState,
)
from imagelock.lock.diff.reasons import (
    PackagePin,
    Side,
    reasons_added,
    reasons_changed,
    reasons_removed,
)
from imagelock.lock.diff.values import download, value_changes
from imagelock.lock.diff.versions import direction
from imagelock.lock.normal import normalise
from imagelock.lock.roots_diff import changed_roots
from imagelock.model.archives import Artifact
from imagelock.model.lock import AptPin, AptRemoval, Lock, PipBuildPin, PythonPin
from imagelock.model.platform import Platform

_KINDS: tuple[tuple[str, str], ...] = (
    ("apt", "apt"),
    ("apt-removal", "apt_removals"),
    ("conda", "conda"),
    ("pip", "pip"),
    ("pip-build", "pip_builds"),
)


_FLAGS = (
    *("architecture", "base", "manual", "requested", "extras", "suite", "source"),
    *("build", "build_number", "subdir", "noarch", "depends", "constrains", "track_features"),
    *("python_site_packages_path", "timestamp", "license", "md5", "channel"),
)
"""What of a package may change beside its bytes and who requires it."""


def diff_locks(old: Lock, new: Lock) -> LockDiff:
    """Everything that differs, platform by platform, joined where platforms agree."""
    old, new = normalise(old), normalise(new)
    platforms = tuple(sorted({*old.platforms, *new.platforms}))
    packages: list[PackageChange] = []
    for kind, attribute in _KINDS:
        packages += _joined(
            change
            for platform in platforms
            for change in _package_changes(kind, attribute, platform, old, new)
        )
    packages += _joined(_python_changes(old, new, platforms))
    return LockDiff(
        platforms=platforms,
        packages=tuple(packages),
        requirements=tuple(_requirement_changes(old, new, platforms)),
        values=tuple(value_changes(old, new, platforms)),
        roots=changed_roots(old.roots, new.roots),
        download=download(old, new),
    )


def _side(lock: Lock, attribute: str, platform: Platform) -> Side:
    pins: Iterable[PackagePin] = getattr(lock, attribute)
    return Side(lock, {_label(pin, platform): pin for pin in pins if platform in pin.platforms})


def _label(pin: PackagePin, platform: Platform) -> str:
    if isinstance(pin, PipBuildPin):
        return f"{pin.name} for {', '.join(pin.builds)}"
    foreign = _foreign(pin, platform)
    return f"{pin.name}:{foreign}" if foreign else str(pin.name)


def _foreign(pin: PackagePin, platform: Platform) -> str:
    """The architecture of a Debian package that is not the platform's own."""
    if not isinstance(pin, AptPin | AptRemoval):
        return ""
    own = pin.architecture in {"all", platform.debian_architecture}
    return "" if own else pin.architecture


def _package_changes(
    kind: str, attribute: str, platform: Platform, old: Lock, new: Lock
) -> Iterator[PackageChange]:
    before, after = _side(old, attribute, platform), _side(new, attribute, platform)
    for label in sorted(before.packages.keys() | after.packages.keys()):
        first, second = before.packages.get(label), after.packages.get(label)
        if first is not None and second is not None and _state(first) == _state(second):
            continue
        pin = second or first
        assert pin is not None
        yield PackageChange(
            kind=kind,
            name=label if isinstance(pin, PipBuildPin) else str(pin.name),
            architecture=_foreign(pin, platform),
            platforms=(platform,),
            direction=_direction(kind, first, second),
            old=_state(first) if first else None,
            new=_state(second) if second else None,
            base=bool(getattr(pin, "base", False)),
            reasons=_reasons(kind, first, second, before, after),
        )


def _reasons(
    kind: str, first: PackagePin | None, second: PackagePin | None, before: Side, after: Side
) -> tuple[str, ...]:
    if first is None:
        assert second is not None
        return reasons_added(kind, second, before, after)
    if second is None:
        return reasons_removed(kind, first, before, after)
    return reasons_changed(kind, first, second, before, after)


def _direction(kind: str, first: PackagePin | None, second: PackagePin | None) -> Direction:
    if first is None:
        return Direction.ADDED
    if second is None:
        return Direction.REMOVED
    return direction(kind, first.version, second.version)


def _state(pin: PackagePin) -> PackageState:
    artifact = getattr(pin, "artifact", None)
    if not isinstance(artifact, Artifact):
        return PackageState(version=pin.version)
    return PackageState(
        version=pin.version,
        sha256=artifact.sha256,
        size=artifact.size,
        source=f"{artifact.archive} {artifact.path}",
    )


def _python_changes(
    old: Lock, new: Lock, platforms: tuple[Platform, ...]
) -> Iterator[PackageChange]:
    for platform in platforms:
        first, second = old.python_for(platform), new.python_for(platform)
        before, after = _python_state(first), _python_state(second)
        if before == after:
            continue
        way = Direction.ADDED if before is None else Direction.REMOVED
        if before and after:
            way = direction("python", before.version, after.version)
        asked = (old.roots.python, new.roots.python)
        why = (f"the spec now asks for {asked[1] or 'none'}",) if asked[0] != asked[1] else ()
        yield PackageChange(
            kind="python",
            name="python",
            architecture="",
            platforms=(platform,),
            direction=way,
            old=before,
            new=after,
            reasons=why,
        )


def _python_state(pin: PythonPin | None) -> PackageState | None:
    if pin is None:
        return None
    source = f"{pin.implementation} {pin.executable} ({pin.provider.value})"
    return PackageState(version=pin.version, source=source)


def _joined(changes: Iterable[PackageChange]) -> Iterator[PackageChange]:
    """One change for all platforms on which a package moved in the same way."""

    def same(change: PackageChange) -> tuple[object, ...]:
        return (
            change.name,
            change.architecture,
            change.direction.value,
            str(change.old),
            str(change.new),
            change.base,
            change.reasons,
        )

    for _key, group in groupby(sorted(changes, key=lambda c: (same(c), c.platforms)), key=same):
        members = list(group)
        first = members[0]
        yield PackageChange(
            kind=first.kind,
            name=first.name,
            architecture=first.architecture,
            platforms=tuple(platform for member in members for platform in member.platforms),
            direction=first.direction,
            old=first.old,
            new=first.new,
            base=first.base,
            reasons=first.reasons,
        )


def _requirement_changes(old: Lock, new: Lock, platforms: tuple[Platform, ...]) -> Iterator[str]:
    """Packages that are the same bytes, but for who requires them or how they were asked for."""
    for kind, attribute in _KINDS:
        found = {
            label
            for platform in platforms
            for label, first, second in _pairs(attribute, platform, old, new)
            if first is not None and second is not None
            if _state(first) == _state(second) and _edges(first) != _edges(second)
        }
        yield from (f"{kind} {label}" for label in sorted(found))


def _pairs(
    attribute: str, platform: Platform, old: Lock, new: Lock
) -> Iterator[tuple[str, PackagePin | None, PackagePin | None]]:
    before = _side(old, attribute, platform).packages
    after = _side(new, attribute, platform).packages
    for label in sorted(before.keys() | after.keys()):
        yield label, before.get(label), after.get(label)


def _edges(pin: PackagePin) -> tuple[object, ...]:
    return (pin.required_by, *(getattr(pin, flag, None) for flag in _FLAGS))
