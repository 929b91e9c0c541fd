"""Made-up indexes against brute force: a solution exactly when there is one, and always valid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagelock.model.errors import NoSolution
from imagelock.model.names import PipName
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.policy import Policy, Preference
from imagelock.resolve.pip.proof import SortedVersions
from imagelock.resolve.pip.requirements import allows, parse
from imagelock.resolve.pip.requirements import version as parsed_version
from imagelock.resolve.pip.resolution import Resolution, resolve
from support.fake_pip_index import FakeIndex, Made

TARGET = PythonTarget(
    platform=Platform("linux/amd64"), version="3.12.4", libc="glibc 2.36", implementation="cpython"
)
NAMES = ("a", "b", "c", "d")
VERSIONS = ("1", "2", "3", "4")
Table = Mapping[str, Mapping[str, tuple[str, ...]]]


def _keeping(before: Resolution) -> Policy:
    return Policy(
        preferences={
            item.name: Preference(version=item.version, file=item.file) for item in before.packages
        }
    )


def _requirements() -> st.SearchStrategy[str]:
    specifier = st.builds(
        str.__add__, st.sampled_from(["==", ">=", "<=", "!=", "<", ">"]), st.sampled_from(VERSIONS)
    )
    extra = st.sampled_from(["", "", "", "[x]"])
    marker = st.sampled_from(["", "", "", '; extra == "x"'])
    return st.builds(
        lambda name, asked, spec, end: f"{name}{asked}{spec}{end}",
        st.sampled_from(NAMES),
        extra,
        st.one_of(st.just(""), specifier),
        marker,
    )


TABLES: st.SearchStrategy[Table] = st.fixed_dictionaries(
    {
        name: st.dictionaries(
            st.sampled_from(VERSIONS),
            st.lists(_requirements(), max_size=3).map(tuple),
            min_size=1,
            max_size=4,
        )
        for name in NAMES
    }
)
ROOTS = st.lists(_requirements().filter(lambda text: ";" not in text), min_size=1, max_size=3).map(
    tuple
)


def _extras_closed(table: Table, roots: tuple[str, ...], chosen: Mapping[PipName, str]) -> bool:
    """Whether a choice of versions satisfies the roots and everything they lead to."""
    waiting = [parse(root) for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wish = waiting.pop()
        version = chosen.get(wish.name)
        if version is None or not allows(wish.specifier, version):
            return False
        for extra in ("", *wish.extras):
            if (wish.name, extra) in seen:
                continue
            seen.add((wish.name, extra))
            for line in table[wish.name][version]:
                parsed = parse(line)
                if (extra == "x") == bool(parsed.marker):
                    waiting.append(parsed)
    return True


def _solvable(table: Table, roots: tuple[str, ...]) -> bool:
    options = [[None, *table[name]] for name in NAMES]
    for versions in itertools.product(*options):
        chosen = {PipName(n): v for n, v in zip(NAMES, versions, strict=True) if v is not None}
        if _extras_closed(table, roots, chosen):
            return True
    return False


def _resolved(table: Table, roots: tuple[str, ...], *, reverse: bool = False) -> Resolution | None:
    try:
        return resolve(roots, target=TARGET, index=FakeIndex(table, reverse=reverse))
    except NoSolution as error:
        if "no proof" in error.message:
            raise
        return None


@settings(max_examples=400)
@given(TABLES, ROOTS)
def test_a_solution_is_found_exactly_when_there_is_one(
    table: Table, roots: tuple[str, ...]
) -> None:
    found = _resolved(table, roots)
    if found is None:
        assert not _solvable(table, roots)
    else:
        chosen = {item.name: item.version for item in found.packages}
        assert _extras_closed(table, roots, chosen)


@given(TABLES, ROOTS)
def test_nothing_is_installed_that_nobody_asked_for(table: Table, roots: tuple[str, ...]) -> None:
    found = _resolved(table, roots)
    for item in found.packages if found else ():
        assert item.required_by or item.name in {parse(root).name for root in roots}
        for edge in item.required_by:
            assert allows(edge.specifier, item.version)
            assert edge.name == "<spec>" or edge.name in {p.name for p in found.packages}  # type: ignore[union-attr]


@given(TABLES, ROOTS, st.randoms(use_true_random=False))
def test_the_order_of_answers_and_requirements_does_not_matter(
    table: Table, roots: tuple[str, ...], random: object
) -> None:
    shuffled = list(roots)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    items = list(table.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    other = {name: dict(reversed(list(versions.items()))) for name, versions in items}
    assert _resolved(table, roots) == _resolved(other, tuple(shuffled), reverse=True)


@given(TABLES, ROOTS, _requirements().filter(lambda text: ";" not in text))
def test_an_added_requirement_that_fits_moves_nothing(
    table: Table, roots: tuple[str, ...], added: str
) -> None:
    before = _resolved(table, roots)
    if before is None:
        return
    pins = {item.name: item.version for item in before.packages}
    try:
        after = resolve(
            (*roots, added),
            target=TARGET,
            index=FakeIndex(table),
            policy=_keeping(before),
        )
    except NoSolution:
        return
    moved = {item.name: item.version for item in after.packages}
    name = parse(added).name
    if name in pins and not parse(added).extras and allows(parse(added).specifier, pins[name]):
        assert {key: moved[key] for key in pins} == pins


@given(TABLES, ROOTS)
def test_a_resolution_is_its_own_preference(table: Table, roots: tuple[str, ...]) -> None:
    before = _resolved(table, roots)
    if before is not None:
        again = resolve(roots, target=TARGET, index=FakeIndex(table), policy=_keeping(before))
        assert again == before


_PARTS = st.sampled_from(
    ["", ".1", "a1", "rc2", ".post1", ".dev3", "+cpu", "a1.dev2", ".post2.dev1", "rc1.post1"]
)
_TEXTS = st.builds(lambda major, end: f"{major}{end}", st.integers(0, 3), _PARTS)
_CLAUSES = st.one_of(
    st.builds(
        lambda operator, text: operator + (text if operator == "==" else text.partition("+")[0]),
        st.sampled_from([">=", "<=", ">", "<", "==", "!="]),
        _TEXTS,
    ).filter(lambda text: "+" not in text or text.startswith("==")),
    st.builds(lambda major: f"~={major}.1", st.integers(0, 3)),
    st.builds(lambda major: f"=={major}.*", st.integers(0, 3)),
)


@settings(max_examples=500)
@given(
    st.lists(_TEXTS, unique_by=parsed_version, max_size=12),
    st.lists(_CLAUSES, max_size=3).map(",".join),
)
def test_sorted_versions_find_what_a_scan_finds(texts: list[str], specifier: str) -> None:
    found = SortedVersions(texts).allowed(specifier)
    assert found == sum(2 << n for n, text in enumerate(texts) if allows(specifier, text))


@example({"1": ("py3-none-any",)}, "linux/amd64")
@given(
    st.dictionaries(
        st.sampled_from(VERSIONS),
        st.lists(
            st.sampled_from(
                [
                    "py3-none-any",
                    "cp312-cp312-manylinux_2_17_x86_64",
                    "cp312-cp312-manylinux_2_39_x86_64",
                    "cp312-cp312-manylinux2014_aarch64",
                    "cp311-abi3-manylinux_2_28_x86_64",
                    "cp313-cp313-manylinux_2_17_x86_64",
                    "cp312-cp312-musllinux_1_2_x86_64",
                ]
            ),
            min_size=1,
            unique=True,
        ).map(tuple),
        min_size=1,
    ),
    st.sampled_from(["linux/amd64", "linux/arm64"]),
)
def test_only_wheels_that_fit_are_chosen(
    versions: dict[str, tuple[str, ...]], platform: str
) -> None:
    target = PythonTarget(platform=Platform(platform), version="3.12.4", libc="glibc 2.36")
    machine = target.platform.machine
    fitting = {
        tag
        for tags in versions.values()
        for tag in tags
        if tag == "py3-none-any"
        or (tag.endswith(machine) and "2_39" not in tag and "musl" not in tag and "313" not in tag)
    }
    table = {"a": {version: Made(tags=tags) for version, tags in versions.items()}}
    expected = [v for v in sorted(versions, reverse=True) if fitting & set(versions[v])]
    try:
        found = resolve(["a"], target=target, index=FakeIndex(table)).packages[0]
    except NoSolution:
        assert not expected
    else:
        assert found.version == expected[0]
        assert found.file.filename.split("-", 2)[2].removesuffix(".whl") in fitting
