"""The second opinion: where resolvelib gives up, a complete search finds a solution or a proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagelock.resolve.pip.provider import IMPOSSIBLE, Candidate, Key, Provider, Wish
from imagelock.resolve.pip.pubgrub import ABSENT, Solver
from imagelock.resolve.pip.requirements import version


@dataclass(frozen=True, slots=True, eq=False)
class Fact(Mapping[Key, int]):
    """One wish as an incompatibility: of ``parent`` at the versions of ``bits``, or of the spec."""

    wish: Wish
    parent: Key | None
    bits: int
    excluded: int
    """What the wish does not allow its key to be."""

    @property
    def _terms(self) -> dict[Key, int]:
        terms = {} if self.wish.name == IMPOSSIBLE else {self.wish.key: self.excluded}
        if self.parent is not None:
            terms[self.parent] = terms.get(self.parent, -1) & self.bits
        return terms

    def __getitem__(self, key: Key) -> int:
        return self._terms[key]

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)


class Packages:
    """A resolution as a problem of :mod:`~imagelock.resolve.pip.pubgrub`.

    Bit ``n + 1`` of a key is entry ``n`` of its project's listing, in the order they are tried.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._domains: dict[Key, int] = {}
        self._masks: dict[tuple[Key, str, str], int] = {}

    def solve(self, wishes: Sequence[Wish]) -> dict[Key, Candidate]:
        """A candidate for every key needed. Raise Unsolvable with the proof."""
        roots = [Fact(wish, None, 0, ~self.mask(wish)) for wish in wishes]
        found = Solver(self).solve(roots)
        return {key: self._candidate(key, option) for key, option in found.items()}

    def domain(self, key: Key) -> int:
        """Every installable version that the constraints allow, and absence."""
        known = self._domains.get(key)
        if known is None:
            catalog = self.provider.catalog
            specifiers = self.provider.constraints(key[0])
            numbers = {id(entry): n for n, entry in enumerate(catalog.complete(key[0]).entries)}
            known = ABSENT
            for entry, _choice in catalog.matching(key[0], specifiers):
                known |= 2 << numbers[id(entry)]
            self._domains[key] = known
        return known

    def mask(self, wish: Wish) -> int:
        """The versions in a key's domain that a wish allows."""
        cached = (wish.key, wish.specifier, wish.exactly)
        known = self._masks.get(cached)
        if known is None:
            domain = self.domain(wish.key)
            known = 0
            for number, entry in enumerate(self.provider.catalog.listing(wish.name).entries):
                bit = 2 << number
                if domain & bit and wish.allows(entry.version):
                    known |= bit
            self._masks[cached] = known
        return known

    def pick(self, open_keys: Mapping[Key, int], conflicts: Mapping[Key, int]) -> tuple[Key, int]:
        """Forced keys first, then those most in conflict, then as met; versions in their order."""
        key = min(
            open_keys,
            key=lambda key: (
                open_keys[key].bit_count() > 1,
                -conflicts.get(key, 0),
                self.provider.order(key),
            ),
        )
        return key, open_keys[key] & -open_keys[key]

    def implied(self, key: Key, option: int) -> list[Fact]:
        """The wishes of a version, each widened to the versions known to have it too."""
        facts = []
        for wish in self.provider.get_dependencies(self._candidate(key, option)):
            bits = option if wish.exactly else self._sharing(key, wish) | option
            excluded = -1 if wish.name == IMPOSSIBLE else ~self.mask(wish)
            facts.append(Fact(wish, key, bits, excluded))
        return facts

    def _sharing(self, key: Key, wish: Wish) -> int:
        bits, domain = 0, self.domain(key)
        for number, entry in enumerate(self.provider.catalog.listing(key[0]).entries):
            if domain & (2 << number) and wish in self.provider.known_dependencies(
                *key, entry.version
            ):
                bits |= 2 << number
        return bits

    def versions(self, key: Key, bits: int) -> list[str]:
        """The versions of a mask, the oldest first."""
        listing = self.provider.catalog.listing(key[0])
        chosen = [
            entry.version for number, entry in enumerate(listing.entries) if bits & (2 << number)
        ]
        return sorted(chosen, key=version)

    def _candidate(self, key: Key, option: int) -> Candidate:
        listing = self.provider.catalog.listing(key[0])
        entry = listing.entries[option.bit_length() - 2]
        file = self.provider.catalog.choice(listing, entry).file
        assert file is not None
        return self.provider.candidate(*key, entry, file)
