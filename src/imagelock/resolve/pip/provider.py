"""The provider that resolvelib asks: names, candidates and dependencies of one target.

An extra is a name of its own, ``(flask, async)``, whose candidates depend on the project at
exactly their version, so that extras never pull a project to two versions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from resolvelib.providers import AbstractProvider
from resolvelib.structs import RequirementInformation

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

    def __repr__(self) -> str:
        return f"{self.name}[{self.extra}]=={self.version}"


Information = RequirementInformation[Wish, Candidate]


def _ignore(_wishes: tuple[Wish, ...]) -> None:
    """Announce to nobody."""


def wishes_of(requirement: Parsed) -> Iterator[Wish]:
    """One wish for the project and one for each extra."""
    for extra in ("", *requirement.extras):
        yield Wish(requirement.name, extra, requirement.specifier)


class Provider(AbstractProvider[Wish, Candidate, Key]):
    """Answers resolvelib from a catalog and an index."""

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
        self._tried: dict[PipName, int] = {}
        self._asked: dict[Key, tuple[str, ...]] = {}

    def meet(self, wishes: Iterable[Wish]) -> None:
        """Note the order in which keys are first seen: roots first, then breadth first."""
        for wish in wishes:
            self._met.setdefault((wish.name, wish.extra), len(self._met))

    def url_of(self, name: PipName) -> str | None:
        """The URL that the spec takes a project from, if it names one."""
        return self._direct_urls.get(name)

    def constraints(self, name: PipName) -> tuple[str, ...]:
        """The specifiers that constraints put on a project."""
        return self._constraints.get(name, ())

    def identify(self, requirement_or_candidate: Wish | Candidate) -> Key:
        """The project and extra."""
        return requirement_or_candidate.name, requirement_or_candidate.extra

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

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],  # noqa: ARG002
        candidates: Mapping[Key, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[Key, Iterator[Information]],
        backtrack_causes: Sequence[Information],  # noqa: ARG002
    ) -> tuple[bool, int]:
        """Exact pins first, then in the order in which names were met (breadth first)."""
        pinned = any(pins_exactly(item.requirement.specifier) for item in information[identifier])
        return not pinned, self._met[identifier]

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[Key],
        resolutions: Mapping[Key, Candidate],  # noqa: ARG002
        candidates: Mapping[Key, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[Key, Iterator[Information]],  # noqa: ARG002
        backtrack_causes: Sequence[Information],
    ) -> Iterable[Key]:
        """Names in the last conflict first: they fail early."""
        names = list(identifiers)
        if not backtrack_causes:
            return names
        causes = set()
        for cause in backtrack_causes:
            causes.add(self.identify(cause.requirement))
            if cause.parent is not None:
                causes.add(self.identify(cause.parent))
        return [name for name in names if name in causes] or names

    def find_matches(
        self,
        identifier: Key,
        requirements: Mapping[Key, Iterator[Wish]],
        incompatibilities: Mapping[Key, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """The versions that all wishes and constraints allow, best first."""
        name, extra = identifier
        excluded = {candidate.version for candidate in incompatibilities[identifier]}
        wishes = list(requirements[identifier])
        if extra and (name, "") in requirements:
            wishes += requirements[name, ""]
        wished = [wish.specifier for wish in wishes if wish.specifier]
        specifiers = tuple(dict.fromkeys((*wished, *self._constraints.get(name, ()))))
        self._asked[identifier] = specifiers
        exactly = {wish.exactly for wish in wishes if wish.exactly}

        def found() -> Iterator[Candidate]:
            if name == IMPOSSIBLE:
                return
            for entry, choice in self.catalog.matching(name, specifiers):
                if entry.version not in excluded and exactly <= {entry.version}:
                    assert choice.file is not None
                    yield self.candidate(name, extra, entry, choice.file)

        return found

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

    def is_satisfied_by(self, requirement: Wish, candidate: Candidate) -> bool:
        """Whether the version is one that the specifier allows."""
        return requirement.name != IMPOSSIBLE and requirement.allows(candidate.version)

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
