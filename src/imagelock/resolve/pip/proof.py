"""The second opinion: where resolvelib gives up, a complete search finds a solution or a proof."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from imagelock.model.names import PipName
from imagelock.resolve.pip.provider import IMPOSSIBLE, Candidate, Key, Provider, Wish
from imagelock.resolve.pip.pubgrub import ABSENT, Solver
from imagelock.resolve.pip.requirements import allows, specifier_set, version


class Fact(dict[Key, int]):
    """One wish as the terms of an incompatibility.

    ``parent`` has it at the versions of ``bits``; None is the spec. ``excluded`` is what the wish
    does not allow its key to be.
    """

    __slots__ = ("bits", "parent", "wish")

    def __init__(self, wish: Wish, parent: Key | None, bits: int, excluded: int) -> None:
        super().__init__()
        self.wish = wish
        self.parent = parent
        self.bits = bits
        if parent is not None:
            self[parent] = bits
        if wish.name != IMPOSSIBLE:
            self[wish.key] = self.get(wish.key, -1) & excluded


class SortedVersions:
    """The versions of a project, to find those that a specifier allows in a few comparisons."""

    def __init__(self, versions: Sequence[str]) -> None:
        """Bit ``n + 1`` stands for ``versions[n]``, in any order."""
        order = sorted(range(len(versions)), key=lambda number: version(versions[number]))
        self._texts = [versions[number] for number in order]
        self._below = [0]
        """The bits of the first so many versions."""
        for number in order:
            self._below.append(self._below[-1] | 2 << number)

    def allowed(self, specifier: str) -> int:
        """The bits of the versions that every clause allows.

        What an ordered comparison allows is one end of the sorted versions (PEP 440), so its
        border is found by halving.
        """
        found = self._below[-1]
        for clause in specifier_set(specifier):
            text = str(clause)
            if clause.operator in {">=", ">"}:
                place = bisect_left(self._texts, 1, key=lambda item: allows(text, item))
                found &= ~self._below[place]
            elif clause.operator in {"<=", "<"}:
                place = bisect_left(self._texts, 1, key=lambda item: not allows(text, item))
                found &= self._below[place]
            else:
                found &= sum(
                    self._below[place + 1] & ~self._below[place]
                    for place, item in enumerate(self._texts)
                    if allows(text, item)
                )
        return found


class Packages:
    """A resolution as a problem of :mod:`~imagelock.resolve.pip.pubgrub`.

    Bit ``n + 1`` of a key is entry ``n`` of its project's listing, in the order they are tried.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._domains: dict[Key, int] = {}
        self._masks: dict[tuple[Key, str, str], int] = {}
        self._orders: dict[PipName, SortedVersions] = {}
        self._wishes: dict[Key, dict[Wish, int]] = {}

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
            known = self.domain(wish.key) & ~ABSENT
            if wish.specifier:
                known &= self._sorted(wish.name).allowed(wish.specifier)
            if wish.exactly:
                entries = self.provider.catalog.listing(wish.name).entries
                known &= sum(2 << n for n, e in enumerate(entries) if e.version == wish.exactly)
            self._masks[cached] = known
        return known

    def _sorted(self, name: PipName) -> SortedVersions:
        known = self._orders.get(name)
        if known is None:
            entries = self.provider.catalog.complete(name).entries
            known = self._orders[name] = SortedVersions([entry.version for entry in entries])
        return known

    def pick(self, open_keys: Mapping[Key, int], conflicts: Mapping[Key, int]) -> tuple[Key, int]:
        """Forced keys first, then those last in conflict, then as met; versions in their order."""
        key = min(
            open_keys,
            key=lambda key: (
                open_keys[key].bit_count() > 1,
                -conflicts.get(key, -1),
                self.provider.order(key),
            ),
        )
        return key, open_keys[key] & -open_keys[key]

    def implied(self, key: Key, option: int) -> list[Fact]:
        """The wishes of a version, each widened to the versions known to have it too."""
        facts = []
        having = self._having(key)
        for wish in self.provider.get_dependencies(self._candidate(key, option)):
            bits = option if wish.exactly else having.get(wish, 0) | option
            having[wish] = bits
            excluded = -1 if wish.name == IMPOSSIBLE else ~self.mask(wish)
            facts.append(Fact(wish, key, bits, excluded))
        return facts

    def _having(self, key: Key) -> dict[Wish, int]:
        """Which versions of a key are known to have which wish."""
        found = self._wishes.get(key)
        if found is None:
            found = self._wishes[key] = {}
            domain = self.domain(key)
            for number, entry in enumerate(self.provider.catalog.listing(key[0]).entries):
                if domain & (2 << number):
                    for wish in self.provider.known_dependencies(*key, entry.version):
                        found[wish] = found.get(wish, 0) | 2 << number
        return found

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
