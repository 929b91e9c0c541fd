"""What a search asks: the candidates and dependencies of one target.

An extra is a name of its own, ``(flask, async)``, whose candidates depend on the project at
exactly their version, so that extras never pull a project to two versions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from imagelock.model.errors import NotFound
from imagelock.model.names import PipName, pip_name
from imagelock.resolve.pip.catalog import Catalog, Entry
from imagelock.resolve.pip.policy import WRONG_PYTHON
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, PipIndex
from imagelock.resolve.pip.requirements import (
    Markers,
    Parsed,
    allows,
    pins_exactly,
    version,
)

Key = tuple[PipName, str]
"""A project and one of its extras, empty for the project itself."""

_LOOK_AHEAD_AFTER: Final = 2
IMPOSSIBLE: Final = PipName("")
"""The name of a requirement that nothing satisfies; its ``specifier`` is the reason."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A requirement on one key. ``exactly`` is the version an extra ties its project to."""

    name: PipName
    extra: str
    specifier: str
    exactly: str = ""

    @property
    def key(self) -> Key:
        """What it is a wish on."""
        return self.name, self.extra

    def allows(self, version: str) -> bool:
        """Whether a version (as a project's index writes it) is good enough."""
        return (not self.exactly or version == self.exactly) and allows(self.specifier, version)


@dataclass(slots=True, eq=False)
class Candidate:
    """One version of a key; one object a version, compared by identity."""

    name: PipName
    extra: str
    version: str
    file: IndexFile

    @property
    def key(self) -> Key:
        """What it is a version of."""
        return self.name, self.extra

    def __repr__(self) -> str:
        return f"{self.name}[{self.extra}]=={self.version}"


def _ignore(_wishes: tuple[Wish, ...]) -> None:
    """Announce to nobody."""


def wishes_of(requirement: Parsed) -> Iterator[Wish]:
    """One wish for the project and one for each extra."""
    for extra in ("", *requirement.extras):
        yield Wish(requirement.name, extra, requirement.specifier)


class Provider:
    """Answers a search from a catalog and an index, and remembers what it answered."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        index: PipIndex,
        markers: Markers,
        constraints: Iterable[Parsed],
        overrides: Iterable[Parsed],
        overridden: Iterable[PipName],
        direct_urls: Mapping[PipName, str],
    ) -> None:
        self.catalog = catalog
        self.announce: Callable[[tuple[Wish, ...]], None] = _ignore
        self._index = index
        self._direct_urls = direct_urls
        self._markers = markers
        self._constraints: dict[PipName, tuple[str, ...]] = {}
        for item in constraints:
            if item.specifier:
                present = self._constraints.get(item.name, ())
                self._constraints[item.name] = (*present, item.specifier)
        self._overrides: dict[PipName, list[Parsed]] = {name: [] for name in overridden}
        for item in overrides:
            self._overrides[item.name].append(item)
        self._candidates: dict[tuple[PipName, str, str], Candidate] = {}
        self._dependencies: dict[tuple[PipName, str, str], tuple[Wish, ...]] = {}
        self._met: dict[Key, int] = {}
        self._pinned: set[Key] = set()
        self._tried: dict[PipName, int] = {}
        self._asked: dict[Key, tuple[str, ...]] = {}

    def meet(self, wishes: Iterable[Wish]) -> None:
        """Note the order in which keys are first seen: roots first, then breadth first."""
        for wish in wishes:
            self._met.setdefault(wish.key, len(self._met))
            if wish.specifier and wish.name != IMPOSSIBLE and pins_exactly(wish.specifier):
                self._pinned.add(wish.key)

    def url_of(self, name: PipName) -> str | None:
        """The URL that the spec takes a project from, if it names one."""
        return self._direct_urls.get(name)

    def constraints(self, name: PipName) -> tuple[str, ...]:
        """The specifiers that constraints put on a project."""
        return self._constraints.get(name, ())

    def overridden(self, requirements: Iterable[Parsed]) -> Iterator[Parsed]:
        """Requirements with the overrides in their place; an override for elsewhere drops them."""
        for requirement in requirements:
            instead = self._overrides.get(requirement.name)
            if instead is None:
                yield requirement
            else:
                for item in instead:
                    if self._markers.hold(item.marker):
                        yield (
                            item
                            if item.extras
                            else Parsed(
                                item.name, requirement.extras, item.specifier, item.marker, item.url
                            )
                        )

    def is_pinned(self, key: Key) -> bool:
        """Whether any wish met so far names exactly one version of a key."""
        return key in self._pinned

    def matches(self, key: Key, wishes: Iterable[Wish]) -> Iterator[Candidate]:
        """The versions of a key that all wishes and constraints allow, best first."""
        name, extra = key
        if name == IMPOSSIBLE:
            return
        listed = tuple(wishes)
        wished = [wish.specifier for wish in listed if wish.specifier]
        specifiers = tuple(dict.fromkeys((*wished, *self._constraints.get(name, ()))))
        exactly = {wish.exactly for wish in listed if wish.exactly}
        self._asked[key] = specifiers
        for entry, choice in self.catalog.matching(name, specifiers):
            if exactly <= {entry.version}:
                assert choice.file is not None
                yield self.candidate(name, extra, entry, choice.file)

    def satisfies(self, wish: Wish, candidate: Candidate) -> bool:
        """Whether the version is one that the wish allows."""
        return wish.name != IMPOSSIBLE and wish.allows(candidate.version)

    def known_dependencies(self, name: PipName, extra: str, version: str) -> tuple[Wish, ...]:
        """What a candidate requires if that was asked before, else nothing."""
        return self._dependencies.get((name, extra, version), ())

    def order(self, key: Key) -> int:
        """The place of a key in the order in which keys were met."""
        return self._met[key]

    def candidate(self, name: PipName, extra: str, entry: Entry, file: IndexFile) -> Candidate:
        """The one object of a key's version."""
        key = (name, extra, entry.version)
        known = self._candidates.get(key)
        if known is None:
            known = self._candidates[key] = Candidate(name, extra, entry.version, file)
        return known

    def get_dependencies(self, candidate: Candidate) -> tuple[Wish, ...]:
        """What a candidate requires on the target, overrides applied."""
        key = (candidate.name, candidate.extra, candidate.version)
        known = self._dependencies.get(key)
        if known is None:
            self._look_ahead(candidate)
            known = self._dependencies[key] = tuple(self._wishes(candidate))
            self.meet(known)
            self.announce(known)
        return known

    def _look_ahead(self, candidate: Candidate) -> None:
        """Fetch the metadata of the versions after one that is not the first to be tried."""
        tried = self._tried[candidate.name] = self._tried.get(candidate.name, 0) + 1
        if tried < _LOOK_AHEAD_AFTER or tried & (tried - 1):
            return
        specifiers = self._asked.get((candidate.name, candidate.extra), ())
        following = itertools.dropwhile(
            lambda pair: pair[0].version != candidate.version,
            self.catalog.matching(candidate.name, specifiers),
        )
        files = [choice.file for _entry, choice in itertools.islice(following, 2 * tried + 1)]
        self._index.expect_metadata([file for file in files if file is not None])

    def _wishes(self, candidate: Candidate) -> Iterator[Wish]:
        try:
            metadata = self._index.metadata(candidate.file)
            self._check(candidate, metadata)
            applying = list(self._markers.applying(metadata.requires_dist, candidate.extra))
        except (NotFound, ValueError) as error:
            reason = error.message if isinstance(error, NotFound) else str(error)
            yield Wish(IMPOSSIBLE, "", reason)
            return
        if candidate.extra:
            yield Wish(candidate.name, "", "", candidate.version)
        for requirement in self.overridden(applying):
            if requirement.url not in {None, self.url_of(requirement.name)}:
                yield Wish(IMPOSSIBLE, "", f"requires {requirement.name} by URL")
                return
            yield from wishes_of(requirement)

    def _check(self, candidate: Candidate, metadata: CoreMetadata) -> None:
        """Refuse metadata that is not of this file, or not for this Python. ValueError says why."""
        if pip_name(metadata.name) != candidate.name:
            msg = f"its metadata names another project, '{metadata.name}'"
            raise ValueError(msg)
        if version(metadata.version) != version(candidate.version):
            msg = f"its metadata names another version, '{metadata.version}'"
            raise ValueError(msg)
        if not self.catalog.chooser.python_allows(metadata.requires_python):
            msg = f"{WRONG_PYTHON} {metadata.requires_python}"
            raise ValueError(msg)
