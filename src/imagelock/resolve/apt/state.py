"""The set of packages being decided, with a journal: what a failed attempt did is undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagelock.model.debian import Alternatives, BinaryPackage, Relation
from imagelock.resolve.apt.index import Key

_ANY: Final = "any"


class State:
    """The packages that would be installed, with who provides and who mentions each name."""

    def __init__(self, native: str) -> None:
        self.native = native
        self.selected: dict[Key, BinaryPackage] = {}
        self._named: dict[str, dict[Key, BinaryPackage]] = {}
        self._provided: dict[str, dict[Key, BinaryPackage]] = {}
        self._dependents: dict[str, dict[Key, None]] = {}
        self._opponents: dict[str, dict[Key, None]] = {}
        self._journal: list[tuple[Key, BinaryPackage | None]] = []

    def key(self, package: BinaryPackage) -> Key:
        """The key of a package; ``all`` counts as native."""
        own = package.architecture
        return package.name, self.native if own == "all" else own

    def mark(self) -> int:
        """A place to roll back to."""
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo everything since a mark."""
        while len(self._journal) > mark:
            key, earlier = self._journal.pop()
            self._set(key, earlier)

    def put(self, package: BinaryPackage) -> None:
        """Select a version, in place of any other."""
        key = self.key(package)
        self._journal.append((key, self.selected.get(key)))
        self._set(key, package)

    def remove(self, key: Key) -> None:
        """Select no version."""
        self._journal.append((key, self.selected.get(key)))
        self._set(key, None)

    def _set(self, key: Key, package: BinaryPackage | None) -> None:
        earlier = self.selected.pop(key, None)
        if earlier is not None:
            for table, name in _entries(self, earlier):
                table[name].pop(key, None)
        if package is not None:
            self.selected[key] = package
            self._named.setdefault(package.name, {})[key] = package
            for group in package.provides:
                for relation in group:
                    self._provided.setdefault(relation.name, {})[key] = package
            for group in package.relations_depended_on:
                for relation in group:
                    self._dependents.setdefault(relation.name, {})[key] = None
            for group in package.conflicts + package.breaks:
                for relation in group:
                    self._opponents.setdefault(relation.name, {})[key] = None

    def meets(self, package: BinaryPackage, relation: Relation, asking: str) -> bool:
        """Whether a package meets a relation of a package for the architecture ``asking``.

        Versioned relations are met by versioned Provides only (Policy 7.5).
        """
        by_name = package.name == relation.name and relation.allows(package.version)
        if by_name and self._reaches(package, relation, asking):
            return True
        return self.provides(package, relation, asking)

    def provides(self, package: BinaryPackage, relation: Relation, asking: str) -> bool:
        """Whether a package meets a relation by what it provides."""
        for group in package.provides:
            for provided in group:
                if provided.name == relation.name and (
                    not relation.operator
                    or (provided.version and relation.allows(provided.version))
                ):
                    return self._reaches(package, relation, asking)
        return False

    def _reaches(self, package: BinaryPackage, relation: Relation, asking: str) -> bool:
        """Whether the architectures fit (Debian's multi-arch specification)."""
        own = self.key(package)[1]
        match relation.architecture:
            case "":
                return own == asking or package.multi_arch == "foreign"
            case "any":
                return package.multi_arch == "allowed" or own == asking
            case "native":
                return own == self.native
            case named:
                return own == named

    def called(self, name: str) -> tuple[BinaryPackage, ...]:
        """The selected packages of this name, then those that provide it."""
        return (*self._named.get(name, {}).values(), *self._provided.get(name, {}).values())

    def is_met(self, group: Alternatives, asking: str) -> bool:
        """Whether anything selected meets one of the alternatives."""
        return any(
            self.meets(package, relation, asking)
            for relation in group
            for package in self.called(relation.name)
        )

    def meeting(self, group: Alternatives, asking: str) -> BinaryPackage | None:
        """The first selected package that meets the group, alternatives in order."""
        for relation in group:
            for package in self.called(relation.name):
                if self.meets(package, relation, asking):
                    return package
        return None

    def clashes(self, package: BinaryPackage, relation: Relation, asking: BinaryPackage) -> bool:
        """Whether a Conflicts or Breaks relation of ``asking`` hits a package.

        A package never conflicts with itself, even by what it provides (Policy 7.4, 7.6.2).
        """
        if package.name == asking.name:
            return False
        own = self.key(package)[1]
        if relation.architecture not in {"", _ANY} and relation.architecture != own:
            return False
        if package.name == relation.name:
            return relation.allows(package.version)
        return any(
            provided.name == relation.name
            and (
                not relation.operator
                or (bool(provided.version) and relation.allows(provided.version))
            )
            for group in package.provides
            for provided in group
        )

    def clashing(self, package: BinaryPackage) -> tuple[BinaryPackage, ...]:
        """The selected packages that cannot be together with one, each once, in a fixed order."""
        found: dict[Key, BinaryPackage] = {}
        for group in package.conflicts + package.breaks:
            for relation in group:
                for other in self.called(relation.name):
                    if self.clashes(other, relation, package):
                        found[self.key(other)] = other
        names = [package.name, *(item.name for group in package.provides for item in group)]
        for name in names:
            for key in tuple(self._opponents.get(name, {})):
                other = self.selected[key]
                if key not in found and self.opposes(other, package, name):
                    found[key] = other
        found |= {
            key: other
            for key, other in self._named.get(package.name, {}).items()
            if key != self.key(package) and _apart(package, other)
        }
        return tuple(found.values())

    def opposes(
        self, asking: BinaryPackage, package: BinaryPackage, name: str | None = None
    ) -> bool:
        """Whether a Conflicts or Breaks field of ``asking`` hits a package, by a name or any."""
        return any(
            self.clashes(package, relation, asking)
            for group in asking.conflicts + asking.breaks
            for relation in group
            if name is None or relation.name == name
        )

    def broken_by(self, key: Key, earlier: BinaryPackage) -> Iterator[tuple[Key, Alternatives]]:
        """Who depends on what an earlier version gave and is no longer met."""
        names = [earlier.name, *(item.name for group in earlier.provides for item in group)]
        for name in names:
            for dependent in tuple(self._dependents.get(name, {})):
                if dependent == key or dependent not in self.selected:
                    continue
                for group in self.selected[dependent].relations_depended_on:
                    if any(relation.name == name for relation in group) and not self.is_met(
                        group, dependent[1]
                    ):
                        yield dependent, group


def _apart(package: BinaryPackage, other: BinaryPackage) -> bool:
    """Whether two architectures of a package exclude each other (Multi-Arch: same, in step)."""
    both_same = package.multi_arch == "same" and other.multi_arch == "same"
    return not both_same or package.version != other.version


def _entries(
    state: State, package: BinaryPackage
) -> Iterator[tuple[dict[str, dict[Key, BinaryPackage]] | dict[str, dict[Key, None]], str]]:
    yield state._named, package.name  # noqa: SLF001 - one class, two functions
    for group in package.provides:
        for relation in group:
            yield state._provided, relation.name  # noqa: SLF001
    for group in package.relations_depended_on:
        for relation in group:
            yield state._dependents, relation.name  # noqa: SLF001
    for group in package.conflicts + package.breaks:
        for relation in group:
            yield state._opponents, relation.name  # noqa: SLF001
