"""The packages that suites offer, found lazily in the bytes of their Packages files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from mmap import mmap
from typing import Final

from imagelock.model.debian import BinaryPackage
from imagelock.model.debian_version import compare_debian_versions, debian_version_key
from imagelock.model.errors import IntegrityError
from imagelock.resolve.apt.preferences import Listing, Preference, pinned_priority
from imagelock.resolve.apt.stanza import package_from_fields, parse_fields

Key = tuple[str, str]
"""A package's name and the architecture it is for; ``all`` counts as the native one."""

INSTALLED_PRIORITY: Final = 100
DEFAULT_PRIORITY: Final = 500
DOWNGRADE_PRIORITY: Final = 1000
_NAME: Final = b"\nPackage:"
_PROVIDES: Final = b"\nProvides:"
_MENTIONING: Final = frozenset(
    b"Package Pre-Depends Depends Recommends Suggests Enhances Conflicts Breaks Replaces "
    b"Provides".split()
)
_NAME_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789+.-")


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """One Packages file. ``names`` are those its suite goes by (as asked, suite, codename).

    ``priority`` is that of apt_preferences(5): 500, or 1 or 100 for NotAutomatic suites.
    """

    data: bytes | mmap = field(repr=False)
    archive: str
    suite: str
    component: str
    architecture: str
    names: tuple[str, ...] = ()
    priority: int = DEFAULT_PRIORITY
    origin: str = ""
    label: str = ""
    host: str = ""

    @cached_property
    def listing(self) -> Listing:
        """What a pin may ask of this file."""
        return Listing(
            suites=self.names,
            component=self.component,
            origin=self.origin,
            label=self.label,
            host=self.host,
            architecture=self.architecture,
        )

    @cached_property
    def offsets(self) -> Mapping[bytes, int | tuple[int, ...]]:
        """Where the Package field of each name is: one place, or several."""
        found: dict[bytes, int | tuple[int, ...]] = {}
        data, place = self.data, 0
        if data[: len(_NAME) - 1] != _NAME[1:]:
            place = data.find(_NAME) + 1
            if not place:
                return found
        while True:
            end = data.find(b"\n", place + 8)
            name = data[place + 8 : end if end >= 0 else len(data)].strip()
            earlier = found.get(name)
            if earlier is None:
                found[name] = place
            else:
                found[name] = (*(earlier if isinstance(earlier, tuple) else (earlier,)), place)
            if end < 0:
                return found
            place = data.find(_NAME, end) + 1
            if not place:
                return found

    @cached_property
    def _provided(self) -> tuple[bytes, list[int], list[int]]:
        """All Provides fields in one piece, with where each starts in it and in the file."""
        pieces: list[bytes] = []
        starts: list[int] = []
        places: list[int] = []
        data, place, length = self.data, 0, 0
        while (place := data.find(_PROVIDES, place)) >= 0:
            end = data.find(b"\n", place + 1)
            end = end if end >= 0 else len(data)
            while data[end + 1 : end + 2] in {b" ", b"\t"}:
                following = data.find(b"\n", end + 1)
                end = following if following >= 0 else len(data)
            piece = data[place + len(_PROVIDES) : end] + b"\n"
            pieces.append(piece)
            starts.append(length)
            places.append(place)
            length += len(piece)
            place = end
        return b"".join(pieces), starts, places

    def places(self, name: str) -> tuple[int, ...]:
        """Where the stanzas of a name are, in file order."""
        found = self.offsets.get(name.encode())
        if found is None:
            return ()
        return found if isinstance(found, tuple) else (found,)

    def providing(self, name: str) -> Iterator[int]:
        """A place in each stanza whose Provides field mentions a name."""
        text, starts, places = self._provided
        wanted, at = name.encode(), -1
        while (at := text.find(wanted, at + 1)) >= 0:
            before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 1]
            if (not before or before[0] not in _NAME_BYTES) and after[0] not in _NAME_BYTES:
                yield places[bisect_right(starts, at) - 1]

    def first_mention(self, name: str) -> int | None:
        """Where a name first stands in a Package or relation field; None if it never does."""
        wanted, data, at = name.encode(), self.data, -1
        while (at := data.find(wanted, at + 1)) >= 0:
            before, after = data[at - 1 : at], data[at + len(wanted) : at + len(wanted) + 1]
            if (before and before[0] in _NAME_BYTES) or (after and after[0] in _NAME_BYTES):
                continue
            line = data.rfind(b"\n", 0, at) + 1
            if data[line : data.find(b":", line)] in _MENTIONING:
                return at
        return None

    def start(self, place: int) -> int:
        """Where the stanza around a place starts."""
        found = self.data.rfind(b"\n\n", 0, place + 1)
        return found + 2 if found >= 0 else 0

    def fields(self, start: int) -> dict[str, str]:
        """The fields of the stanza that starts here."""
        end = self.data.find(b"\n\n", start)
        stanza = self.data[start : end if end >= 0 else len(self.data)]
        return parse_fields(stanza.decode("utf-8", "replace"))

    def marked(self, line: bytes) -> Iterator[int]:
        """A place in each stanza that has exactly this line."""
        wanted, at = b"\n" + line + b"\n", -1
        while (at := self.data.find(wanted, at + 1)) >= 0:
            yield at


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
