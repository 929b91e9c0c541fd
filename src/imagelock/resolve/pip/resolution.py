"""One resolution: requirements in, one wheel for every package out, with the reasons why."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from imagelock.model.errors import NoSolution, UsageError
from imagelock.model.lock import SPEC_ROOT, Requirer
from imagelock.model.names import PipName, pip_name
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.catalog import Catalog
from imagelock.resolve.pip.direct import direct_projects
from imagelock.resolve.pip.policy import Chooser, Policy
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, PipIndex, Project
from imagelock.resolve.pip.provider import IMPOSSIBLE, Candidate, Key, Provider, Wish, wishes_of
from imagelock.resolve.pip.requirements import Markers, Parsed, allows, parse
from imagelock.resolve.pip.target import environment_of

_MOST_ROUNDS: Final = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One package of a resolution, the file it is installed from, and who requires it."""

    name: PipName
    version: str
    file: IndexFile
    extras: tuple[str, ...]
    required_by: tuple[Requirer, ...]
    requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The packages of one target, sorted by name."""

    target: PythonTarget
    packages: tuple[Chosen, ...]


def _applying(lines: Iterable[str], what: str, markers: Markers) -> list[Parsed]:
    """The requirements that apply to the target, sorted. UsageError for what is none."""
    found = []
    for line in sorted(set(lines)):
        try:
            item = parse(line)
            if markers.hold(item.marker):
                found.append(item)
        except ValueError as error:
            raise UsageError(str(error).splitlines()[0], where=f"{what} '{line}'") from error
    return found


class _Ahead:
    """Guesses what the resolver will ask for next, so that fetching can run ahead of it."""

    def __init__(self, index: PipIndex, markers: Markers, provider: Provider) -> None:
        self._index = index
        self._markers = markers
        self._provider = provider
        self._specifiers: dict[PipName, list[str]] = {}
        self._extras: dict[PipName, set[str]] = {}

    def announce(self, wishes: tuple[Wish, ...]) -> None:
        """Fetch what wishes will need, unless a pin of the lock will do."""
        names = [
            wish.name
            for wish in wishes
            if wish.name != IMPOSSIBLE and not wish.exactly and self._note(wish.name, wish)
        ]
        self._index.expect(names, self)

    def _note(self, name: PipName, wish: Wish | Parsed) -> bool:
        """Remember what is wanted of a project; whether its page will be needed."""
        self._specifiers.setdefault(name, []).append(wish.specifier)
        extras = (wish.extra,) if isinstance(wish, Wish) else wish.extras
        self._extras.setdefault(name, set()).update(extras)
        if self._provider.url_of(name) is not None:
            return False
        kept = self._provider.catalog.chooser.kept(name)
        return kept is None or not allows(wish.specifier, kept.version)

    def likely(self, project: Project) -> IndexFile | None:
        """The file of the newest version that the wishes known so far allow."""
        specifiers = (
            *self._specifiers.get(project.name, ()),
            *self._provider.constraints(project.name),
        )
        catalog = self._provider.catalog
        listing = catalog.arrived(project)
        for entry in listing.entries:
            if all(allows(specifier, entry.version) for specifier in specifiers):
                choice = catalog.usable(listing, entry)
                if choice is not None:
                    return choice.file
        return None

    def follow(self, project: Project, metadata: CoreMetadata) -> Iterable[PipName]:
        """The projects that the metadata requires on this target."""
        wishes: list[Parsed] = []
        with contextlib.suppress(ValueError):  # the resolver will say what is wrong, if it matters
            for extra in ("", *sorted(self._extras.get(project.name, set()) - {""})):
                wishes += self._markers.applying(metadata.requires_dist, extra)
        overridden = list(self._provider.overridden(wishes))
        return [item.name for item in overridden if self._note(item.name, item)]


def resolve(
    requirements: Iterable[str],
    *,
    target: PythonTarget,
    index: PipIndex,
    constraints: Iterable[str] = (),
    overrides: Iterable[str] = (),
    policy: Policy | None = None,
) -> Resolution:
    """Choose one file for every package that the requirements lead to on one target.

    The answer depends on the arguments and on what the index holds, never on the order in which
    it answers. UsageError for what is no requirement, NoSolution with the chain of wishes that
    cannot be met together, NetworkError when the index cannot be asked.
    """
    policy = policy or Policy()
    markers = Markers(environment_of(target))
    roots = _applying(requirements, "requirement", markers)
    limits = _applying(constraints, "constraint", markers)
    replaced = _applying(overrides, "override", markers)
    named = (*roots, *limits, *replaced)
    chooser = Chooser(target, policy, named)
    direct = direct_projects(index, named)
    provider = Provider(
        catalog=Catalog(index, chooser, {name: item.project for name, item in direct.items()}),
        index=index,
        direct_urls={name: item.url for name, item in direct.items()},
        markers=markers,
        constraints=limits,
        overrides=replaced,
        overridden={parse(line).name for line in overrides},
    )
    roots = list(provider.overridden(roots))
    wishes = [wish for root in roots for wish in wishes_of(root)]
    provider.meet(wishes)
    ahead = _Ahead(index, markers, provider)
    provider.announce = ahead.announce
    ahead.announce(tuple(wishes))
    mapping = _solve(provider, wishes)
    return Resolution(target=target, packages=tuple(_packages(provider, wishes, mapping)))


def _solve(provider: Provider, wishes: list[Wish]) -> dict[Key, Candidate]:
    """The first choice of everything if that works, else resolvelib's answer, else a proof.

    resolvelib is quick where versions are plenty, but carries what it excluded in one branch into
    others, so that its "impossible" is no proof: then a complete search has the last word. Its
    state is read rather than its result, which takes one recursion for every name in a cycle that
    nothing needs any more.
    """
    simple = _first_choices(provider, wishes)
    if simple is not None:
        return simple
    from resolvelib import BaseReporter
    from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep
    from resolvelib.resolvers.resolution import Resolution as Search

    from imagelock.resolve.pip.answers import Answers

    try:
        search = Search(Answers(provider), BaseReporter())
        mapping = search.resolve(wishes, max_rounds=_MOST_ROUNDS).mapping
        if _holds(provider, wishes, mapping):
            return dict(mapping)
    except (ResolutionImpossible, ResolutionTooDeep):
        pass
    return _second_opinion(provider, wishes)


def _first_choices(provider: Provider, wishes: list[Wish]) -> dict[Key, Candidate] | None:
    """The first candidate of every key under all wishes on it; None where wishes disagree.

    What is first under some wishes and satisfies all of them is first under all of them.
    """
    mapping: dict[Key, Candidate] = {}
    wanted: dict[Key, list[Wish]] = {}
    waiting = deque(wishes)
    while waiting:
        wish = waiting.popleft()
        candidate = mapping.get(wish.key)
        wanted.setdefault(wish.key, []).append(wish)
        if candidate is not None:
            if not provider.satisfies(wish, candidate):
                return None
            continue
        known = [*wanted[wish.key], *wanted.get((wish.name, ""), ())]
        candidate = next(provider.matches(wish.key, known), None)
        if candidate is None:
            return None
        mapping[wish.key] = candidate
        waiting += provider.get_dependencies(candidate)
    return mapping


def _second_opinion(provider: Provider, wishes: list[Wish]) -> dict[Key, Candidate]:
    from imagelock.resolve.pip.explain import explain
    from imagelock.resolve.pip.proof import Fact, Packages
    from imagelock.resolve.pip.pubgrub import TooHard, Unsolvable

    packages = Packages(provider)
    try:
        return packages.solve(wishes)
    except Unsolvable as proof:
        facts = [item.terms for item in proof.proof.facts()]
        raise explain(packages, [fact for fact in facts if isinstance(fact, Fact)]) from None
    except TooHard:
        raise NoSolution(
            "no set of versions was found that satisfies all requirements, and no proof"
            " that there is none",
            hint="narrow the search: give lower bounds as constraints under [pip]",
        ) from None


def _holds(provider: Provider, wishes: list[Wish], mapping: Mapping[Key, Candidate]) -> bool:
    """Whether a mapping satisfies the roots and everything they lead to."""
    waiting = list(wishes)
    seen: set[Key] = set()
    while waiting:
        wish = waiting.pop()
        candidate = mapping.get(wish.key)
        if candidate is None or not provider.satisfies(wish, candidate):
            return False
        if wish.key not in seen:
            seen.add(wish.key)
            waiting += provider.get_dependencies(candidate)
    return True


def _packages(
    provider: Provider, wishes: list[Wish], mapping: dict[Key, Candidate]
) -> Iterator[Chosen]:
    """The packages that the roots reach, with every edge between them."""
    edges: dict[PipName, set[Requirer]] = {}
    extras: dict[PipName, set[str]] = {}
    seen: set[Key] = set()
    waiting: list[tuple[str, Wish]] = [(SPEC_ROOT, wish) for wish in wishes]
    while waiting:
        requirer, wish = waiting.pop()
        key = (wish.name, wish.extra)
        candidate = mapping[key]
        assert wish.allows(candidate.version)
        if wish.name != requirer:
            edges.setdefault(wish.name, set()).add(
                Requirer(name=requirer, specifier=wish.specifier)
            )
        if wish.extra:
            extras.setdefault(wish.name, set()).add(wish.extra)
        if key not in seen:
            seen.add(key)
            waiting += [(wish.name, item) for item in provider.get_dependencies(candidate)]
    requested = {wish.name for wish in wishes}
    for name in sorted({name for name, _extra in seen}):
        candidate = mapping[name, ""]
        yield Chosen(
            name=pip_name(name),
            version=candidate.version,
            file=candidate.file,
            extras=tuple(sorted(extras.get(name, ()))),
            required_by=tuple(sorted(edges.get(name, ()))),
            requested=name in requested,
        )
