"""Three-way merge of locks, for two branches that both locked.

The rule: every section of the merged lock is what one side's resolution answered to exactly the
roots, and to the pins of the sections before it, that the merged lock has. Pins that no resolver
has seen together are never put together, so a section that both sides changed is a conflict, and
so are new pip packages on one side with a new base or interpreter on the other. Where it can, a
merge goes platform by platform.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.merge_roots import (
    BothChanged,
    MergeConflict,
    merge_mappings,
    merge_roots,
    three_way,
)
from imagelock.lock.normal import normalise
from imagelock.lock.tag import lock_digest
from imagelock.model.errors import LockError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform

_APART: Final = "the two sides' changes were never resolved together"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedLock:
    """The merged lock in normal form, or None and every conflict found."""

    lock: Lock | None
    conflicts: tuple[MergeConflict, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What is resolved in one go: its pins, the roots it answers, the pins it was resolved on."""

    name: str
    pins: tuple[str, ...]
    roots: tuple[str, ...]
    upstream: tuple[str, ...] = ()

    def inputs(self, lock: Lock, platform: Platform | None) -> object:
        """All that this part's pins are the answer to."""
        asked = tuple(attrgetter(name)(lock.roots) for name in self.roots)
        everywhere = lock.platforms if platform is None else ()
        return asked, everywhere, _values(lock, self.upstream, platform)

    def answer(self, lock: Lock, platform: Platform | None) -> tuple[tuple[object, ...], ...]:
        """This part's pins."""
        return _values(lock, self.pins, platform)


_PARTS: Final = (
    _Part("base", ("bases",), ("base",)),
    _Part(
        "apt",
        ("apt_indexes", "apt", "apt_removals"),
        ("base", "apt", "python", "needs_python", "has_conda", "pip.python_exec", "gpu"),
        ("bases",),
    ),
    _Part(
        "conda",
        ("conda",),
        ("conda", "python", "needs_python", "has_conda", "pip.python_exec", "gpu"),
        ("bases",),
    ),
    _Part(
        "python",
        ("pythons",),
        ("python", "needs_python", "has_conda", "pip.python_exec", "gpu"),
        ("bases", "apt", "conda"),
    ),
    # Wheels are chosen for an interpreter and a C library, not for the apt packages beside them.
    _Part("pip", ("pip", "pip_builds"), ("pip", "gpu"), ("bases", "conda", "pythons")),
)
"""In the order of resolution, as in ``stale``."""


def merge_locks(base: Lock, ours: Lock, theirs: Lock) -> MergedLock:
    """One lock with the changes of both sides since ``base``, or why there is none.

    A merged lock reads back as itself; merging is the same with the sides exchanged. Records of
    builds stay only where the merged lock makes the very image that was recorded.
    """
    base, ours, theirs = normalise(base), normalise(ours), normalise(theirs)
    roots, conflicts = merge_roots(base.roots, ours.roots, theirs.roots)
    if conflicts:
        return MergedLock(lock=None, conflicts=conflicts)
    merge = _Merge(base, ours, theirs, Lock(roots=roots))
    return merge.result()


class _Merge:
    """One merge under way: ``merged`` gains a part at a time."""

    def __init__(self, base: Lock, ours: Lock, theirs: Lock, merged: Lock) -> None:
        self._sides = (base, ours, theirs)
        self._merged = merged
        self._conflicts: list[MergeConflict] = []

    def result(self) -> MergedLock:
        for name in ("recipe", "context"):
            self._single(name)
        self._archives()
        for part in _PARTS:
            self._part(part)
        self._unknown()
        if not self._conflicts:
            self._images()
        if not self._conflicts:
            self._check()
        if self._conflicts:
            return MergedLock(lock=None, conflicts=tuple(self._conflicts))
        return MergedLock(lock=self._merged)

    def _single(self, name: str) -> None:
        base, ours, theirs = (getattr(side, name) for side in self._sides)
        try:
            self._set(name, three_way(base, ours, theirs))
        except BothChanged:
            self._conflicts.append(MergeConflict(place=name))

    def _archives(self) -> None:
        base, ours, theirs = (
            {archive.name: archive for archive in side.archives} for side in self._sides
        )
        merged, conflicts = merge_mappings(base, ours, theirs, "archive")
        self._set("archives", tuple(merged.values()))
        self._conflicts += conflicts

    def _part(self, part: _Part) -> None:
        """Take the part as a whole where one side has it so, else platform by platform."""
        whole = self._answer(part, None)
        if not isinstance(whole, MergeConflict):
            for name, pins in zip(part.pins, whole, strict=True):
                self._set(name, pins)
            return
        answers = {platform: self._answer(part, platform) for platform in self._merged.platforms}
        conflicts = [a for a in answers.values() if isinstance(a, MergeConflict)]
        if conflicts:
            everywhere = len(conflicts) == len(answers) and len(set(_reasons(conflicts))) == 1
            self._conflicts += [whole] if everywhere else conflicts
            return
        for index, name in enumerate(part.pins):
            self._join(name, [a[index] for a in answers.values() if isinstance(a, tuple)])

    def _join(self, name: str, found: list[tuple[object, ...]]) -> None:
        """The pins of all platforms; what has no platforms must be the same for each."""
        if name != "apt_indexes":
            self._set(name, tuple(pin for pins in found for pin in pins))
        elif len(set(found)) > 1:
            self._conflicts.append(MergeConflict(place="apt-index"))
        else:
            self._set(name, found[0])

    def _answer(
        self, part: _Part, platform: Platform | None
    ) -> tuple[tuple[object, ...], ...] | MergeConflict:
        place = part.name if platform is None else f"{part.name} for {platform}"
        base, ours, theirs = (part.answer(side, platform) for side in self._sides)
        try:
            answer = three_way(base, ours, theirs)
        except BothChanged:
            return MergeConflict(place=place, reason=_changed_by_both(base, ours, theirs))
        wanted = part.inputs(self._merged, platform)
        for side, found in ((self._sides[1], ours), (self._sides[2], theirs)):
            if found == answer and part.inputs(side, platform) == wanted:
                return answer
        return MergeConflict(place=place, reason=_APART)

    def _unknown(self) -> None:
        base, ours, theirs = (dict(side.unknown) for side in self._sides)
        merged, conflicts = merge_mappings(base, ours, theirs, "keys")
        self._set("unknown", tuple(merged.items()))
        self._conflicts += conflicts

    def _images(self) -> None:
        """A record is of one image: it stays with a side whose tagged content is the merged."""
        digest = lock_digest(self._merged)
        base, ours, theirs = (
            {str(record.platform): record for record in side.images}
            if lock_digest(side) == digest
            else None
            for side in self._sides
        )
        if ours is None or theirs is None:
            merged: dict[str, object] = dict(ours or theirs or {})
        else:
            merged, conflicts = merge_mappings(base or {}, ours, theirs, "image")
            self._conflicts += conflicts
        self._set("images", tuple(merged.values()))

    def _check(self) -> None:
        """The merged lock must be one that reads back as itself, with every key it carried."""
        carried = {place for place, _ in self._merged.unknown}
        try:
            self._merged = normalise(self._merged)
            back = decode_lock(encode_lock(self._merged), source="the merged lock")
        except LockError as error:
            self._conflicts.append(MergeConflict(place=error.where, reason=error.message))
            return
        lost = sorted(carried - {place for place, _ in back.unknown})
        self._conflicts += [MergeConflict(place=place, reason=_APART) for place in lost]
        if back != self._merged:
            self._conflicts.append(
                MergeConflict(place="lock", reason="the merged lock does not read back as itself")
            )

    def _set(self, name: str, value: object) -> None:
        self._merged = dataclasses.replace(self._merged, **{name: value})  # type: ignore[arg-type]  # by attribute name


def _values(
    lock: Lock, names: Iterable[str], platform: Platform | None
) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(_on(getattr(lock, name), platform)) for name in names)


def _on(pins: Iterable[object], platform: Platform | None) -> Iterator[object]:
    """The pins of a platform as if there were no other; those without platforms as they are."""
    for pin in pins:
        platforms = getattr(pin, "platforms", None)
        if platform is None or platforms is None:
            yield pin
        elif platform in platforms:
            yield dataclasses.replace(pin, platforms=(platform,))  # type: ignore[type-var]  # every pin is a dataclass


def _reasons(conflicts: Iterable[MergeConflict]) -> Iterator[str]:
    return (conflict.reason for conflict in conflicts)


def _changed_by_both(*sides: tuple[tuple[object, ...], ...]) -> str:
    """Which entries each side changed to another, by name; or that the section was."""
    base, ours, theirs = (_by_name(side) for side in sides)
    names = sorted(
        name
        for name in ours.keys() | theirs.keys() | base.keys()
        if ours.get(name) != theirs.get(name)
        and base.get(name) not in (ours.get(name), theirs.get(name))
    )
    if names:
        return f"both sides changed {', '.join(names)}"
    return "both sides changed what is pinned"


def _by_name(answer: tuple[tuple[object, ...], ...]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for pins in answer:
        for pin in pins:
            name = getattr(pin, "name", None)
            if isinstance(name, str):
                found.setdefault(name, []).append(pin)
    return found
