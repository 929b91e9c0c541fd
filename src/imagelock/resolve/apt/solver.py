"""Choose packages as apt-get does: depth first, in the order of the fields, candidates only.

What a requested package needs is marked as it is met, alternatives from left to right; what
anything selected already meets is left alone. An attempt that fails is undone before the next
alternative is tried; nothing else is ever taken back. This is not a complete search, and is not
meant to be: it must find what apt finds (docs/apt.md says how that is tested).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from imagelock.model.debian import Alternatives, BinaryPackage, Installed, Relation
from imagelock.model.debian_version import compare_debian_versions
from imagelock.resolve.apt.index import Index, Key
from imagelock.resolve.apt.state import State

_PRIORITIES: Final = {"required": 0, "important": 1, "standard": 2, "optional": 3, "extra": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a package could not be selected: a group nobody meets, or another package."""

    package: BinaryPackage
    group: Alternatives = ()
    clash: BinaryPackage | None = None


@dataclass(slots=True)
class Solver:
    """One resolution over a state that starts as what is installed.

    ``choices`` are versions that replace a package's candidate; ``refused`` are packages that
    must not be installed.
    """

    index: Index
    installed: Installed
    recommends: bool = False
    choices: Mapping[Key, BinaryPackage] = field(default_factory=dict)
    refused: frozenset[Key] = frozenset()
    state: State = field(init=False)
    base: dict[Key, BinaryPackage] = field(init=False)
    held: frozenset[Key] = field(init=False)
    protected: set[Key] = field(default_factory=set)
    failures: dict[Key, Failure] = field(default_factory=dict)
    _of_source: dict[str, list[Key]] = field(default_factory=dict)
    _processed: set[Key] = field(default_factory=set)
    _settling: set[Key] = field(default_factory=set)
    _candidates: dict[Key, BinaryPackage | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start from what is installed."""
        self.state = State(self.index.architecture)
        for package in self.installed.packages:
            self.state.put(package)
        self.base = dict(self.state.selected)
        self.held = frozenset(map(self.state.key, self.installed.held))
        for key, package in self.base.items():
            self._of_source.setdefault(package.source, []).append(key)

    def candidate(self, key: Key) -> BinaryPackage | None:
        """The one version of a package that may be selected."""
        if key not in self._candidates:
            chosen = self.base[key] if key in self.held else self.choices.get(key)
            self._candidates[key] = chosen or self.index.candidate(key, self.base.get(key))
        return self._candidates[key]

    def request(self, keys: tuple[Key, ...]) -> Key | None:
        """Select these packages with all they need, in order; the first that cannot be, or None.

        All are marked before the needs of any are looked at, so that they count as selected.
        """
        for key in keys:
            package = self.candidate(key)
            if package is None:
                return key
            self.protected.add(key)
            if not _same(self.state.selected.get(key), package):
                self.state.put(package)
        for key in keys:
            package = self.state.selected.get(key)
            if package is None or not self._settle(package):
                return key
        return None

    def remove(self, keys: tuple[Key, ...]) -> Key | None:
        """Deselect installed packages and what needs them; the first that cannot be, or None."""
        for key in keys:
            if key in self.state.selected and not self._remove(key):
                return key
        return None

    def _install(self, package: BinaryPackage) -> bool:
        """Select a package with all it needs, or change nothing."""
        key = self.state.key(package)
        current = self.state.selected.get(key)
        if _same(current, package):
            return True
        if key in self.refused or (key in self.protected and current is not None):
            return False
        mark, processed = self.state.mark(), set(self._processed)
        self.state.put(package)
        if self._settle(package):
            return True
        self.state.rollback(mark)
        self._processed = processed
        return False

    def _settle(self, package: BinaryPackage) -> bool:
        """Meet what a selected package needs, and clear what it clashes with."""
        key = self.state.key(package)
        if key in self._processed:
            return True
        self._processed.add(key)
        self._settling.add(key)
        try:
            return self._settle_needs(package, key)
        finally:
            self._settling.discard(key)

    def _settle_needs(self, package: BinaryPackage, key: Key) -> bool:
        earlier = self.base.get(key)
        for group in package.relations_depended_on:
            if not self.state.is_met(group, key[1]) and not self._meet(group, key[1]):
                self.failures.setdefault(key, Failure(package=package, group=group))
                return False
        for other in self.state.clashing(package):
            if not self._clear(other, package):
                self.failures.setdefault(key, Failure(package=package, clash=other))
                return False
        if not _same(earlier, package):
            self._upgrade_siblings(package)
            if earlier is not None and not self._mend_dependents(key, earlier, package):
                return False
        if self.recommends:
            self._recommended(package, key, earlier)
        return True

    def _recommended(self, package: BinaryPackage, key: Key, earlier: BinaryPackage | None) -> None:
        """Meet recommendations where possible; of an upgraded package, the new ones only."""
        if _same(earlier, package):
            return
        known = earlier.recommends if earlier else ()
        for group in package.recommends:
            if group not in known and not self.state.is_met(group, key[1]):
                self._meet(group, key[1])

    def _meet(self, group: Alternatives, asking: str) -> bool:
        """Select something that meets one of the alternatives."""
        return any(
            self._install(target)
            for relation in self._ordered(group)
            for target in self._targets(relation, asking)
        )

    def _ordered(self, group: Alternatives) -> list[Relation]:
        """The alternatives from left to right, those of installed packages first."""
        if len(group) == 1:
            return list(group)
        return sorted(group, key=lambda relation: not self._is_installed(relation.name))

    def _is_installed(self, name: str) -> bool:
        return any((name, arch) in self.state.selected for arch in self.index.architectures)

    def _targets(self, relation: Relation, asking: str) -> Iterator[BinaryPackage]:
        """The candidates that meet a relation, in apt's order.

        That is: requested, installed, the name itself, Essential, Priority, and then whichever
        name the indexes mention last for the first time.
        """
        own = self._fitting(relation, asking, self._named(relation.name, asking))
        found = own
        if not own or self._provided_by_installed(relation.name):
            found = own | self._fitting(relation, asking, self.index.providers(relation.name))
        yield from self._ranked(found, relation, asking)
        if found is own:
            others = self._fitting(relation, asking, self.index.providers(relation.name))
            left = {key: package for key, package in others.items() if key not in own}
            yield from self._ranked(left, relation, asking)

    def _ranked(
        self, found: Mapping[Key, BinaryPackage], relation: Relation, asking: str
    ) -> Iterator[BinaryPackage]:
        def rank(key: Key) -> tuple[bool, bool, bool, bool, bool, int]:
            package = found[key]
            preferred = self.index.architecture if package.multi_arch == "foreign" else asking
            return (
                key not in self.protected,
                key not in self.state.selected,
                package.name != relation.name,
                key[1] != preferred,
                not package.essential,
                _PRIORITIES.get(package.priority, 3),
            )

        for _rank, equals in groupby(sorted(found, key=rank), key=rank):
            alike = list(equals)
            order = alike if len(alike) == 1 else self.index.last_mentioned(alike)
            yield from (found[key] for key in order)

    def _fitting(
        self, relation: Relation, asking: str, keys: Iterable[Key]
    ) -> dict[Key, BinaryPackage]:
        candidates = ((key, self.candidate(key)) for key in keys)
        return {
            key: package
            for key, package in candidates
            if package is not None and self.state.meets(package, relation, asking)
        }

    def _named(self, name: str, asking: str) -> list[Key]:
        return [(name, item) for item in dict.fromkeys((asking, *self.index.architectures))]

    def _provided_by_installed(self, name: str) -> bool:
        """Whether an installed package provides a name: its upgrade goes before the name's own."""
        return any(package.name != name for package in self.state.called(name))

    def _upgrade_siblings(self, package: BinaryPackage) -> None:
        """Bring installed packages of the same source to the same version, where that works."""
        for key in self._of_source.get(package.source, ()):
            newer = self.candidate(key)
            if (
                newer is not None
                and key in self.state.selected
                and newer.source_version == package.source_version
                and not _same(newer, self.state.selected[key])
            ):
                self._install(newer)

    def _mend_dependents(self, key: Key, earlier: BinaryPackage, package: BinaryPackage) -> bool:
        """After an upgrade, see to those who depended on what the old version gave."""
        for dependent, group in tuple(self.state.broken_by(key, earlier)):
            if self.state.is_met(group, dependent[1]):
                continue
            if not self._mend(dependent, group):
                self.failures.setdefault(
                    key, Failure(package=package, clash=self.state.selected.get(dependent))
                )
                return False
        return True

    def _mend(self, dependent: Key, group: Alternatives) -> bool:
        """Give a package whose dependency went away a newer version, another way, or drop it."""
        newer = self.candidate(dependent)
        current = self.state.selected.get(dependent)
        if newer is not None and not _same(newer, current) and self._install(newer):
            return True
        return self._meet(group, dependent[1]) or self._remove(dependent)

    def _clear(self, other: BinaryPackage, package: BinaryPackage) -> bool:
        """Upgrade a package that clashes out of the way, or remove it if it was installed."""
        key = self.state.key(other)
        if not _same(self.state.selected.get(key), other):
            return True
        newer = self.candidate(key)
        if newer is None or _same(newer, other) or self._clash(newer, package):
            return self._remove(key)
        return self._install(newer) or self._remove(key)

    def _clash(self, package: BinaryPackage, other: BinaryPackage) -> bool:
        return self.state.opposes(package, other) or self.state.opposes(other, package)

    def _remove(self, key: Key) -> bool:
        """Drop a package and what needs it; never one that must stay.

        That is one that is essential, requested, on hold, or in work.
        """
        package = self.state.selected[key]
        if package.essential or key in self.protected | self.held | self._settling:
            return False
        mark = self.state.mark()
        self._processed.discard(key)
        self.state.remove(key)
        for dependent, group in tuple(self.state.broken_by(key, package)):
            if dependent not in self.state.selected or self.state.is_met(group, dependent[1]):
                continue
            if not self._mend(dependent, group):
                self.state.rollback(mark)
                return False
        return True


def _same(left: BinaryPackage | None, right: BinaryPackage | None) -> bool:
    """Whether two are one version of one package, wherever they are listed."""
    if left is None or right is None:
        return left is right
    return left is right or compare_debian_versions(left.version, right.version) == 0
