"""What resolvelib asks, answered by the provider; imported only when there is a choice to make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from resolvelib.providers import AbstractProvider
from resolvelib.structs import RequirementInformation

from imagelock.resolve.pip.provider import Candidate, Key, Provider, Wish

Information = RequirementInformation[Wish, Candidate]


class Answers(AbstractProvider[Wish, Candidate, Key]):
    """The order in which names are decided, and the questions passed on."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def identify(self, requirement_or_candidate: Wish | Candidate) -> Key:
        """The project and extra."""
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],  # noqa: ARG002
        candidates: Mapping[Key, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[Key, Iterator[Information]],  # noqa: ARG002
        backtrack_causes: Sequence[Information],  # noqa: ARG002
    ) -> tuple[bool, int]:
        """Exact pins first, then in the order in which names were met (breadth first)."""
        return not self._provider.is_pinned(identifier), self._provider.order(identifier)

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
            causes.add(cause.requirement.key)
            if cause.parent is not None:
                causes.add(cause.parent.key)
        return [name for name in names if name in causes] or names

    def find_matches(
        self,
        identifier: Key,
        requirements: Mapping[Key, Iterator[Wish]],
        incompatibilities: Mapping[Key, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """The versions that all wishes and constraints allow, best first."""
        name, extra = identifier
        wishes = list(requirements[identifier])
        if extra and (name, "") in requirements:
            wishes += requirements[name, ""]
        excluded = {candidate.version for candidate in incompatibilities[identifier]}

        def found() -> Iterator[Candidate]:
            for candidate in self._provider.matches(identifier, wishes):
                if candidate.version not in excluded:
                    yield candidate

        return found

    def is_satisfied_by(self, requirement: Wish, candidate: Candidate) -> bool:
        """Whether the version is one that the wish allows."""
        return self._provider.satisfies(requirement, candidate)

    def get_dependencies(self, candidate: Candidate) -> tuple[Wish, ...]:
        """What a candidate requires on the target, overrides applied."""
        return self._provider.get_dependencies(candidate)
