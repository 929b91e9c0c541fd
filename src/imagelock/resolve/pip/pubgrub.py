"""A complete solver over finite domains that learns from conflicts, and can say why there is none.

It knows nothing of packages. Every key has a domain of numbered options, held as the bits of an
integer; bit 0 stands for "not chosen". An *incompatibility* is a set of keys and masks that
cannot all hold. Keys take part by being required: their mask then lacks bit 0.

The method is PubGrub's (Weizenbaum 2018): unit propagation, decisions, and on a conflict the
resolution of its incompatibility with what led to it, until the search can jump back. With masks
for sets, "satisfied" is a subset test and "contradicted" an empty intersection.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
ABSENT = 1
"""The bit of "not chosen"."""


@dataclass(frozen=True, slots=True, eq=False)
class Incompatibility(Generic[K]):
    """Terms that cannot all hold: derived from two others, or a fact given by the problem."""

    terms: Mapping[K, int]
    causes: tuple[Incompatibility[K], Incompatibility[K]] | None = None

    def facts(self) -> Iterator[Incompatibility[K]]:
        """The given facts this one follows from, each once, causes before their conclusions."""
        seen: set[int] = set()
        waiting: list[Incompatibility[K]] = [self]
        while waiting:
            item = waiting.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            if item.causes is None:
                yield item
            else:
                waiting.extend(reversed(item.causes))


class Unsolvable(Exception, Generic[K]):
    """There is no solution; ``proof`` is an incompatibility that always holds."""

    def __init__(self, proof: Incompatibility[K]) -> None:
        super().__init__("unsolvable")
        self.proof = proof


class TooHard(Exception):
    """The search was given up: it is not known whether there is a solution."""


class Problem(Protocol[K]):
    """What the solver asks: each question's answer never changes."""

    def domain(self, key: K) -> int:
        """The mask of everything a key can be, bit 0 included unless it must be chosen."""
        ...

    def pick(self, open_keys: Mapping[K, int], conflicts: Mapping[K, int]) -> tuple[K, int]:
        """The key to decide next and the bit to try; masks are never empty and lack bit 0.

        ``conflicts`` numbers the last conflict that each key took part in or was narrowed by.
        """
        ...

    def implied(self, key: K, option: int) -> Sequence[Mapping[K, int]]:
        """The incompatibilities that choosing an option brings; each names the option's bit."""
        ...


@dataclass(slots=True)
class _Assignment(Generic[K]):
    key: K
    mask: int
    """What the key can still be, after this assignment."""
    level: int
    cause: Incompatibility[K] | None


@dataclass(slots=True)
class _State(Generic[K]):
    trail: list[_Assignment[K]] = field(default_factory=list)
    masks: dict[K, int] = field(default_factory=dict)
    decided: dict[K, int] = field(default_factory=dict)
    level: int = 0


_Mention = tuple[int, Incompatibility[K], tuple[K, int] | None]
"""An incompatibility where a key is looked up: the key's term, and of two terms the other."""


class Solver(Generic[K]):
    """One run over one problem."""

    def __init__(self, problem: Problem[K]) -> None:
        self._problem = problem
        self._state: _State[K] = _State()
        self._by_key: dict[K, dict[Hashable, _Mention[K]]] = {}
        self._given: dict[tuple[K, K, int], int] = {}
        self._implied: set[tuple[K, int]] = set()
        self._conflicts: dict[K, int] = {}
        self._learned = 0

    def solve(self, facts: Iterable[Mapping[K, int]], *, most_steps: int = 50_000) -> dict[K, int]:
        """One option's bit for every key that must be chosen.

        Raise Unsolvable with the proof, TooHard after so many decisions.
        """
        changed: list[K] = []
        for terms in facts:
            changed += self._add(Incompatibility(terms))
        for _step in range(most_steps):
            self._propagate(changed)
            open_keys = {
                key: mask
                for key, mask in self._state.masks.items()
                if not mask & ABSENT and key not in self._state.decided
            }
            if not open_keys:
                return dict(self._state.decided)
            key, option = self._problem.pick(open_keys, self._conflicts)
            changed = [key]
            if (key, option) not in self._implied:
                self._implied.add((key, option))
                for terms in self._problem.implied(key, option):
                    changed += self._add(Incompatibility(terms))
            state = self._state
            state.level += 1
            state.decided[key] = option
            self._assign(key, option, None)
        raise TooHard

    def _mask(self, key: K) -> int:
        mask = self._state.masks.get(key)
        if mask is None:
            mask = self._state.masks[key] = self._problem.domain(key)
        return mask

    def _add(self, item: Incompatibility[K]) -> list[K]:
        """Take an incompatibility in; a given fact takes the place of a narrower one."""
        terms = list(item.terms.items())
        token: Hashable = id(item)
        if item.causes is None and len(terms) == 2:
            wider = (terms[0][0], *terms[1])
            narrow = self._given.get(wider)
            if narrow is None or not narrow & ~terms[0][1]:
                self._given[wider] = terms[0][1]
                token = wider
        for place, (key, term) in enumerate(terms):
            pair = terms[1 - place] if len(terms) == 2 else None
            mentions = self._by_key.setdefault(key, {})
            mentions.pop(token, None)
            mentions[token] = (term, item, pair)
        return list(item.terms)

    def _assign(self, key: K, mask: int, cause: Incompatibility[K] | None) -> None:
        state = self._state
        left = self._mask(key) & mask
        state.masks[key] = left
        state.trail.append(_Assignment(key, left, state.level, cause))

    def _propagate(self, changed: list[K]) -> None:
        """Narrow keys until nothing follows any more, learning from every conflict."""
        waiting = list(dict.fromkeys(changed))
        for key in waiting:
            self._mask(key)
        learned_here = False
        while waiting:
            key = waiting.pop()
            masks = self._state.masks
            mask = masks[key]
            for term, item, pair in reversed(self._by_key.get(key, {}).values()):
                if not mask & term:
                    continue  # most of the facts: about versions that are out
                if pair is not None:  # most of the rest: the other half has the last word
                    other = masks[pair[0]] if pair[0] in masks else self._mask(pair[0])
                    if not other & pair[1] or (other & ~pair[1] and mask & ~term):
                        continue
                unit = self._unit(item)
                if unit is None:
                    continue
                if unit is item:
                    learned_here = True
                    waiting = [self._learned_from(item)]
                    break
                assert isinstance(unit, tuple)
                self._narrow(unit[0], item, note=learned_here)
                mask = masks[key]
                if unit[0] not in waiting:
                    waiting.append(unit[0])

    def _learned_from(self, conflict: Incompatibility[K]) -> K:
        """Learn from a conflict, go back, and narrow the key that what was learned leaves open."""
        learned = self._learn(conflict)
        self._add(learned)
        self._learned += 1
        unit = self._unit(learned)
        assert isinstance(unit, tuple)
        self._narrow(unit[0], learned, note=True)
        return unit[0]

    def _narrow(self, key: K, item: Incompatibility[K], *, note: bool) -> None:
        self._assign(key, ~item.terms[key], item)
        if note:
            self._conflicts[key] = self._learned

    def _unit(self, item: Incompatibility[K]) -> Incompatibility[K] | tuple[K] | None:
        """The item itself if all its terms hold, the one open key, or None."""
        found: tuple[K] | None = None
        masks = self._state.masks
        for key, term in item.terms.items():
            mask = masks[key] if key in masks else self._mask(key)
            if not mask & term:
                return None
            if mask & ~term:
                if found is not None:
                    return None
                found = (key,)
        return item if found is None else found

    def _learn(self, item: Incompatibility[K]) -> Incompatibility[K]:
        """Resolve a conflict up to an incompatibility that an earlier level leaves one key open."""
        while True:
            for key in item.terms:
                self._conflicts[key] = self._learned
            place, previous = self._satisfier(item)
            if place < 0:
                raise Unsolvable(item)
            satisfier = self._state.trail[place]
            if satisfier.cause is None or previous < satisfier.level:
                self._backtrack(previous)
                return item
            item = self._resolved(item, satisfier.cause, satisfier.key)

    def _satisfier(self, item: Incompatibility[K]) -> tuple[int, int]:
        """Where the trail first satisfies all terms (-1: at the start), and the level before it."""
        firsts: dict[K, int] = {}
        for key, term in item.terms.items():
            if self._problem.domain(key) & ~term:
                firsts[key] = next(
                    place
                    for place, made in enumerate(self._state.trail)
                    if made.key == key and not made.mask & ~term
                )
        if not firsts:
            return -1, 0
        last_key = max(firsts, key=lambda key: firsts[key])
        place = firsts.pop(last_key)
        levels = [self._state.trail[other].level for other in firsts.values()]
        satisfier = self._state.trail[place]
        if satisfier.cause is not None and satisfier.cause.terms.get(last_key) is not None:
            allowed = ~satisfier.cause.terms[last_key] & self._problem.domain(last_key)
            rest = allowed & ~item.terms[last_key]
            if rest:  # an earlier assignment excluded the rest
                levels.append(self._excluded_at(last_key, rest, place))
        return place, max(levels, default=0)

    def _excluded_at(self, key: K, rest: int, before: int) -> int:
        for made in self._state.trail[:before]:
            if made.key == key and not made.mask & rest:
                return made.level
        return 0

    def _resolved(
        self, item: Incompatibility[K], cause: Incompatibility[K], key: K
    ) -> Incompatibility[K]:
        terms = {
            other: item.terms.get(other, -1) & cause.terms.get(other, -1)
            for other in {**item.terms, **cause.terms}
            if other != key
        }
        either = item.terms[key] | cause.terms[key]
        if self._problem.domain(key) & ~either:
            terms[key] = either
        return Incompatibility(terms, (item, cause))

    def _backtrack(self, level: int) -> None:
        state = self._state
        while state.trail and state.trail[-1].level > level:
            made = state.trail.pop()
            if made.cause is None:
                state.decided.pop(made.key, None)
        state.masks = {}
        for made in state.trail:
            state.masks[made.key] = made.mask
        state.level = level
        for key in self._by_key:
            self._mask(key)
