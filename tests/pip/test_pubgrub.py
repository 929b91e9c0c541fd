"""The complete search against brute force, on problems that know nothing of packages."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.resolve.pip.pubgrub import ABSENT, Solver, TooHard, Unsolvable

KEYS = "abcde"
SIZE = 3
FULL = (2 << SIZE) - 1
Facts = Sequence[Mapping[str, int]]


class Given:
    """A problem of given facts; those that name a decided option arrive with the decision."""

    def __init__(self, facts: Facts, *, lazily: bool) -> None:
        self._facts = facts if lazily else ()

    def domain(self, _key: str) -> int:
        return FULL

    def pick(self, open_keys: Mapping[str, int], conflicts: Mapping[str, int]) -> tuple[str, int]:
        key = min(open_keys, key=lambda key: (-conflicts.get(key, -1), key))
        return key, open_keys[key] & -open_keys[key]

    def implied(self, key: str, option: int) -> Facts:
        return [fact for fact in self._facts if fact.get(key, 0) & option]


def holds(facts: Iterable[Mapping[str, int]], chosen: Mapping[str, int]) -> bool:
    return not any(
        all(chosen.get(key, ABSENT) & term for key, term in fact.items()) for fact in facts
    )


def solvable(facts: Facts) -> bool:
    options = [1 << bit for bit in range(SIZE + 1)]
    return any(
        holds(facts, dict(zip(KEYS, values, strict=True)))
        for values in itertools.product(options, repeat=len(KEYS))
    )


def _dependency(parent: str, bits: int, child: str, allowed: int) -> dict[str, int]:
    return {parent: bits << 1, child: FULL & ~(allowed << 1)}


DEPENDENCIES = st.lists(
    st.tuples(st.permutations(KEYS), st.integers(1, FULL >> 1), st.integers(0, FULL >> 1)).map(
        lambda drawn: _dependency(drawn[0][0], drawn[1], drawn[0][1], drawn[2])
    ),
    max_size=16,
)
ROOTS = st.dictionaries(st.sampled_from(KEYS), st.integers(1, FULL >> 1), min_size=1).map(
    lambda wanted: [{key: FULL & ~(bits << 1)} for key, bits in wanted.items()]
)


@settings(max_examples=600)
@given(DEPENDENCIES, ROOTS, st.booleans())
def test_solved_exactly_when_solvable(
    dependencies: list[dict[str, int]],
    roots: list[dict[str, int]],
    lazily: bool,  # noqa: FBT001 - drawn
) -> None:
    facts = [*roots, *dependencies]
    first = roots if lazily else facts
    try:
        found = Solver(Given(dependencies, lazily=lazily)).solve(first)
    except Unsolvable as error:
        assert not solvable(facts)
        proof = [dict(item.terms) for item in error.proof.facts()]
        assert all(fact in facts for fact in proof)
        assert not solvable(proof)
    else:
        assert all(option.bit_count() == 1 and option != ABSENT for option in found.values())
        assert holds(facts, found)


def test_a_limit_of_steps() -> None:
    roots = [{key: ABSENT} for key in KEYS]
    with pytest.raises(TooHard):
        Solver(Given((), lazily=False)).solve(roots, most_steps=2)
    assert len(Solver(Given((), lazily=False)).solve(roots)) == len(KEYS)
