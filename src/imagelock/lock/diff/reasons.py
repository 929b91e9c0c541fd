"""Why a package moved: read off the edges and the roots of the two locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imagelock.lock.diff.versions import allows
from imagelock.model.lock import (
    BASE_ROOT,
    PYTHON_ROOT,
    SPEC_ROOT,
    AptPin,
    AptRemoval,
    CondaPin,
    Lock,
    PipBuildPin,
    PipPin,
    Requirer,
)

PackagePin = AptPin | AptRemoval | CondaPin | PipPin | PipBuildPin


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two locks, on one platform: its packages of one kind by name."""

    lock: Lock
    packages: Mapping[str, PackagePin]


def reasons_added(kind: str, pin: PackagePin, old: Side, new: Side) -> tuple[str, ...]:
    """Who brought a package in."""
    if kind == "apt-removal":
        return tuple(f"{_subject(edge)}: {edge.specifier}" for edge in pin.required_by)
    return tuple(_needed(edge) + _news_of(edge.name, old, new) for edge in pin.required_by) or (
        "nothing in the lock says why",
    )


def reasons_removed(kind: str, pin: PackagePin, old: Side, new: Side) -> tuple[str, ...]:
    """Who asked for a package before, and why no more."""
    if kind == "apt-removal":
        return ("nothing forces it out any more",)
    gone = [_no_longer(edge, old, new) for edge in pin.required_by]
    return ("nothing requires it any more", *gone)


def _no_longer(edge: Requirer, old: Side, new: Side) -> str:
    if edge.name == SPEC_ROOT:
        return "the spec no longer asks for it"
    if edge.name == BASE_ROOT:
        return "it is no part of the base any more"
    if edge.name == PYTHON_ROOT:
        return "the interpreter does not come from it any more"
    news = _news_of(edge.name, old, new)
    return f"{edge.name} required it" + (news or ", and does not any more")


def reasons_changed(
    kind: str, before: PackagePin, after: PackagePin, old: Side, new: Side
) -> tuple[str, ...]:
    """What forbids the old version now; else what allowed the new one."""
    known = set(before.required_by)
    forced = [
        _forbids(edge) + _news_of(edge.name, old, new)
        for edge in after.required_by
        if allows(kind, edge.specifier, before.version) is False
    ]
    forced += _constraints_against(kind, str(before.name), before.version, new.lock)
    if forced:
        return tuple(forced)
    freed = [
        f"{_subject(edge)} no longer asks {edge.specifier}" + _news_of(edge.name, old, new)
        for edge in before.required_by
        if edge not in after.required_by and allows(kind, edge.specifier, after.version) is False
    ]
    if freed:
        return tuple(freed)
    others = [*_index_news(before, after, old, new), *_rule_news(kind, old.lock, new.lock)]
    asked = [_needed(edge) for edge in after.required_by if edge not in known and edge.specifier]
    if before.version == after.version:
        return (*others, "the same version, from other bytes")
    return (*others, *asked) or ("both versions were allowed; it was resolved anew",)


def _subject(edge: Requirer) -> str:
    named = {SPEC_ROOT: "the spec", BASE_ROOT: "the base", PYTHON_ROOT: "the interpreter"}
    return named.get(edge.name, edge.name)


def _forbids(edge: Requirer) -> str:
    if edge.name == SPEC_ROOT:
        return f"the spec now asks {edge.specifier}"
    return f"{_subject(edge)} requires {edge.specifier}"


def _needed(edge: Requirer) -> str:
    specifier = f" ({edge.specifier})" if edge.specifier else ""
    if edge.name == SPEC_ROOT:
        return f"the spec asks for it{specifier}"
    if edge.name == BASE_ROOT:
        return f"part of the base{specifier}"
    if edge.name == PYTHON_ROOT:
        return f"pip packages need an interpreter{specifier}"
    return f"required by {edge.name}{specifier}"


def _news_of(name: str, old: Side, new: Side) -> str:
    """What happened to a requirer itself, as a clause."""
    before, after = old.packages.get(name), new.packages.get(name)
    if before is None and after is not None:
        return ", which was added"
    if after is None and before is not None:
        return ", which was removed"
    if before is not None and after is not None and before.version != after.version:
        return f", now {after.version}"
    return ""


def _constraints_against(kind: str, name: str, version: str, lock: Lock) -> Iterator[str]:
    """The constraints and overrides of the spec that forbid the version there was."""
    if kind != "pip":
        return
    from packaging.requirements import InvalidRequirement, Requirement  # when a pip pin moved
    from packaging.utils import canonicalize_name

    pip = lock.roots.pip
    for word, entries in (("constraint", pip.all_constraints), ("override", pip.all_overrides)):
        for entry in entries:
            try:
                wanted = Requirement(entry)
            except InvalidRequirement:
                continue
            if canonicalize_name(wanted.name) == name and not wanted.specifier.contains(
                version, prereleases=True
            ):
                yield f"the {word} {entry} forbids {version}"


def _index_news(before: PackagePin, after: PackagePin, old: Side, new: Side) -> Iterator[str]:
    """A newer index of the suite that a Debian package comes from."""
    if not isinstance(before, AptPin) or not isinstance(after, AptPin):
        return
    if before.suite != after.suite:
        yield f"it now comes from {after.suite}, before from {before.suite}"
    archive = after.artifact.archive
    dates = [
        max(
            (
                pin.date
                for pin in side.lock.apt_indexes
                if (pin.archive, pin.suite) == (archive, after.suite)
            ),
            default=None,
        )
        for side in (old, new)
    ]
    if dates[0] is not None and dates[1] is not None and dates[0] != dates[1]:
        yield f"the index of {after.suite} moved from {dates[0]:%Y-%m-%d} to {dates[1]:%Y-%m-%d}"


def _rule_news(kind: str, old: Lock, new: Lock) -> Iterable[str]:
    """Rules of the spec that decide between versions, where they changed."""
    if kind != "pip":
        return
    rules = (
        ("exclude-newer", old.roots.pip.exclude_newer, new.roots.pip.exclude_newer),
        ("prerelease", old.roots.pip.prerelease.value, new.roots.pip.prerelease.value),
        ("index", old.roots.pip.index, new.roots.pip.index),
    )
    for word, before, after in rules:
        if before != after:
            yield f"{word} is now {after or 'not set'}"
    versions = [sorted({pin.version for pin in lock.pythons}) for lock in (old, new)]
    if versions[0] != versions[1]:
        yield f"Python is now {', '.join(versions[1]) or 'none'}"
