"""Laws: the order of versions, relations, and what any resolution of any archive must keep."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from debian.debian_support import version_compare
from hypothesis import given
from hypothesis import strategies as st

from imagelock.model.debian import parse_relation, parse_relations
from imagelock.model.debian_version import compare_debian_versions, debian_version_key
from imagelock.model.errors import NoSolution
from imagelock.resolve.apt.check import unmet
from imagelock.resolve.apt.index import Index
from support.debian_archive import stanza
from support.debian_index import index_of, resolved

PARTS = st.text("0129abzA.+~", min_size=1, max_size=6)
VERSIONS = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "10:"]),
    PARTS,
    st.one_of(st.just(""), PARTS.map("-{}".format)),
)


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_as_dpkg_orders_them(left: str, right: str) -> None:
    assert compare_debian_versions(left, right) == version_compare(left, right)


@given(st.lists(VERSIONS, min_size=2, max_size=6))
def test_key_and_comparison_agree(versions: list[str]) -> None:
    ordered = sorted(versions, key=debian_version_key)
    for first, second in pairwise(ordered):
        assert compare_debian_versions(first, second) <= 0
        assert compare_debian_versions(second, first) == -compare_debian_versions(first, second)


@given(
    st.sampled_from(["libc6", "g++-12", "a0"]),
    st.sampled_from(["", "any", "arm64"]),
    st.sampled_from(["", "<<", "<=", "=", ">=", ">>"]),
    VERSIONS,
)
def test_relations_are_read_as_written(
    name: str, architecture: str, operator: str, version: str
) -> None:
    text = name + (f":{architecture}" if architecture else "")
    text += f" ({operator} {version})" if operator else ""
    relation = parse_relation(text)
    assert str(relation) == text
    assert parse_relations(f"x0,{text} | y0 ,\n z0")[1] == (relation, parse_relation("y0"))


def test_wrong_relations_are_named() -> None:
    for text in ("", "a b", "a0 (>= )", "a0 (== 1)", "a0 (>= 1", "a0 [amd64]"):
        with pytest.raises(ValueError, match="expected a package relation"):
            parse_relation(text)
    assert parse_relation("a0 (< 1)").operator == "<="


NAMES = [f"p{number}" for number in range(8)]
GROUPS = st.lists(
    st.lists(st.sampled_from([*NAMES, "missing"]), min_size=1, max_size=3).map(" | ".join),
    max_size=3,
).map(", ".join)


@st.composite
def archives(draw: st.DrawFn, *, conflicts: bool) -> dict[str, dict[str, str]]:
    """Packages with their Depends, and Conflicts where asked."""
    found = {}
    for name in NAMES:
        fields = {"Depends": draw(GROUPS)}
        if conflicts and draw(st.booleans()):
            fields["Conflicts"] = draw(st.sampled_from(NAMES))
        found[name] = {field: value for field, value in fields.items() if value}
    return found


def indexed(archive: dict[str, dict[str, str]]) -> Index:
    return index_of(*(stanza(name, **fields) for name, fields in archive.items()))


def installable(archive: dict[str, dict[str, str]]) -> set[str]:
    """All packages with an alternative left in every group, by elimination."""
    left = set(archive)
    while True:
        gone = {
            name
            for name in left
            for group in archive[name].get("Depends", "").split(", ")
            if group and not left & set(group.split(" | "))
        }
        if not gone:
            return left
        left -= gone


@given(archives(conflicts=False), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
def test_without_conflicts_every_solution_is_found(
    archive: dict[str, dict[str, str]], wanted: list[str]
) -> None:
    if set(wanted) <= installable(archive):
        found = resolved(indexed(archive), *wanted)
        assert {package.name for package in found.packages} >= set(wanted)
    else:
        with pytest.raises(NoSolution):
            resolved(indexed(archive), *wanted)


@given(archives(conflicts=True), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
def test_what_is_resolved_fits_together(
    archive: dict[str, dict[str, str]], wanted: list[str]
) -> None:
    try:
        found = resolved(indexed(archive), *wanted)
    except NoSolution:
        return
    assert not unmet(found.packages, "amd64")
    assert {package.name for package in found.packages} >= set(wanted)
    again = resolved(indexed(archive), *wanted)
    assert (again.packages, again.required_by) == (found.packages, found.required_by)


@given(archives(conflicts=True), st.permutations(NAMES))
def test_the_order_of_entries_changes_nothing_but_ties(
    archive: dict[str, dict[str, str]], order: list[str]
) -> None:
    """Without virtual packages there are no ties: the file's order must not matter."""

    def answer(shuffled: dict[str, dict[str, str]]) -> object:
        try:
            return resolved(indexed(shuffled), "p0", "p1").packages
        except NoSolution:
            return None

    assert answer(archive) == answer({name: archive[name] for name in order})


PROGRAM = """
from support.debian_archive import stanza
from support.debian_index import base_of, index_of, resolved
index = index_of(
    stanza("app", Depends="mta, lib (>= 2), one | two", Recommends="extra, more"),
    *(stanza(f"m{n}", Provides="mta", Conflicts="mta", Depends="d%d" % (n % 3)) for n in range(9)),
    *(stanza(f"d{n}", Source="src") for n in range(3)),
    stanza("lib", "2", Source="src2", Breaks="old"), stanza("lib-bin", "2", Source="src2"),
    stanza("one", Depends="extra"), stanza("two"), stanza("extra"), stanza("more"),
)
base = base_of(stanza("lib", "1", Source="src2"), stanza("lib-bin", "1", Source="src2"),
               stanza("old"), stanza("older", Depends="old"))
found = resolved(index, "app", "two", base=base, recommends=True)
print([str(item) for item in found.added], [str(item) for item in found.removed])
print(sorted(found.required_by.items()), sorted(found.removed_by.items()))
"""


def test_nothing_depends_on_the_hash_seed() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "LC_ALL": locale},
            capture_output=True,
            check=True,
        ).stdout
        for seed, locale in (("1", "C"), ("2", "C.UTF-8"), ("77", "C"))
    }
    assert len(answers) == 1
    assert b"m8" in answers.pop()
