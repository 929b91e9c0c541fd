"""The packages that suites offer: several Packages files as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from imagelock.model.debian import BinaryPackage
from imagelock.model.debian_version import compare_debian_versions, debian_version_key
from imagelock.model.errors import IntegrityError
from imagelock.resolve.apt.index_file import IndexFile
from imagelock.resolve.apt.preferences import Preference, pinned_priority
from imagelock.resolve.apt.stanza import package_from_fields

Key = tuple[str, str]
"""A package's name and the architecture it is for; ``all`` counts as the native one."""

INSTALLED_PRIORITY: Final = 100
DOWNGRADE_PRIORITY: Final = 1000


class Index:
    """Several Packages files as one: files listed first win where they offer the same version."""

    def __init__(
        self,
        files: tuple[IndexFile, ...],
        architecture: str,
        preferences: tuple[Preference, ...] = (),
    ) -> None:
        self.files = files
        self.architecture = architecture
        self._preferences = preferences
        self._read: dict[tuple[int, int], BinaryPackage] = {}
        self._versions: dict[Key, tuple[tuple[BinaryPackage, int], ...]] = {}
        self._providers: dict[str, tuple[Key, ...]] = {}
        self._mentions: dict[str, tuple[int, int]] = {}

    def key(self, package: BinaryPackage) -> Key:
        """The key of a package."""
        own = package.architecture
        return package.name, self.architecture if own == "all" else own

    @cached_property
    def architectures(self) -> tuple[str, ...]:
        """The native architecture, then the foreign ones in the order of their files."""
        listed = (file.architecture for file in self.files if file.architecture != "all")
        return tuple(dict.fromkeys((self.architecture, *listed)))

    def versions(self, key: Key) -> tuple[tuple[BinaryPackage, int], ...]:
        """The versions of a package, newest first, each with its pin priority."""
        known = self._versions.get(key)
        if known is None:
            known = self._versions[key] = self._find(key)
        return known

    def _find(self, key: Key) -> tuple[tuple[BinaryPackage, int], ...]:
        name, architecture = key
        found: dict[str, tuple[BinaryPackage, int]] = {}
        for number, file in enumerate(self.files):
            if file.architecture not in {architecture, "all"}:
                continue
            for place in file.places(name):
                package = self._package(number, place)
                if self.key(package) != key:
                    continue
                own = self._priority(package, file)
                first, priority = found.get(package.version, (package, own))
                found[package.version] = (first, max(priority, own))
        return tuple(
            sorted(
                found.values(), key=lambda item: debian_version_key(item[0].version), reverse=True
            )
        )

    def _priority(self, package: BinaryPackage, file: IndexFile) -> int:
        if not self._preferences or file.priority < 0:
            return file.priority
        return pinned_priority(self._preferences, package, file.listing, file.priority)

    def candidate(self, key: Key, installed: BinaryPackage | None = None) -> BinaryPackage | None:
        """The version apt would take: the highest priority, then the newest; no downgrade.

        ``installed`` is what the base has; it is the candidate where nothing better is offered.
        """
        versions = self.versions(key)
        best, best_priority = installed, INSTALLED_PRIORITY if installed else 0
        for package, priority in versions:
            if installed is not None and package.version == installed.version:
                best_priority = max(best_priority, priority)
        for package, priority in versions:
            if installed is not None:
                order = compare_debian_versions(package.version, installed.version)
                if order == 0 or (order < 0 and priority < DOWNGRADE_PRIORITY):
                    continue
            newer = best is installed and priority == best_priority
            if priority > best_priority or newer:
                best, best_priority = package, priority
        return best

    def providers(self, name: str) -> tuple[Key, ...]:
        """The packages of which some version provides a name, in index order."""
        known = self._providers.get(name)
        if known is None:
            found = (
                self.key(self._package(number, place))
                for number, file in enumerate(self.files)
                for place in file.providing(name)
            )
            known = self._providers[name] = tuple(dict.fromkeys(found))
        return known

    def marked(self, line: str) -> tuple[Key, ...]:
        """The native packages of which some version has a line, such as ``Essential: yes``."""
        found = {
            self.key(self._package(number, place))
            for number, file in enumerate(self.files)
            for place in file.marked(line.encode())
        }
        return tuple(sorted(key for key in found if key[1] == self.architecture))

    def last_mentioned(self, keys: Sequence[Key]) -> Iterator[Key]:
        """The keys by where their names first stand in all files, the last first.

        A stanza is a mention too, which bounds the search: names whose stanza comes before the
        best mention so far need none.
        """
        left = sorted(keys, key=self._own_place, reverse=True)
        while left:
            best, mention = left[0], self._first_mention(left[0][0])
            for key in left[1:]:
                if self._own_place(key) > mention:
                    found = self._first_mention(key[0])
                    if found > mention:
                        best, mention = key, found
            yield best
            left.remove(best)

    def _own_place(self, key: Key) -> tuple[int, int]:
        for number, file in enumerate(self.files):
            places = file.places(key[0])
            if places:
                return number, places[0]
        return len(self.files), 0

    def _first_mention(self, name: str) -> tuple[int, int]:
        if name not in self._mentions:
            for number, file in enumerate(self.files):
                place = file.first_mention(name)
                if place is not None:
                    self._mentions[name] = number, place
                    break
            else:
                self._mentions[name] = len(self.files), 0
        return self._mentions[name]

    def file_of(self, package: BinaryPackage) -> IndexFile:
        """The file that lists a package."""
        return self.files[package.origin]

    def files_of(self, key: Key, version: str) -> tuple[IndexFile, ...]:
        """The files that list a version of a package."""
        return tuple(file for file, _package in self.listed(key, version))

    def listed(self, key: Key, version: str) -> Iterator[tuple[IndexFile, BinaryPackage]]:
        """Every entry of a version, of which :meth:`versions` gives the first."""
        for number, file in enumerate(self.files):
            for place in file.places(key[0]):
                package = self._package(number, place)
                if package.version == version and self.key(package) == key:
                    yield file, package

    def _package(self, number: int, place: int) -> BinaryPackage:
        file = self.files[number]
        start = file.start(place)
        known = self._read.get((number, start))
        if known is None:
            try:
                known = package_from_fields(file.fields(start), origin=number)
            except (KeyError, ValueError) as error:
                raise IntegrityError(
                    f"an entry of the index cannot be read: {error}",
                    where=f"{file.archive} {file.suite}/{file.component} {file.architecture}",
                    hint="tell the archive's owners; nothing unread is ever locked",
                ) from error
            self._read[number, start] = known
        return known


def provides(package: BinaryPackage, name: str) -> tuple[str, ...]:
    """The versions under which a package provides a name; '' for an unversioned one."""
    return tuple(
        relation.version
        for group in package.provides
        for relation in group
        if relation.name == name
    )
