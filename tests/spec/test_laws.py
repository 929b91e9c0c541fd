"""What a Spec must not depend on, what it must, and what no bytes may do to the parser."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from imagelock.model.errors import SpecError
from imagelock.model.spec import Spec
from imagelock.spec.rules_pip import normalise_requirement
from imagelock.spec.shapes import Table, table_shape
from support.spec_documents import FILES, VALUES, Path, Scribe, documents, with_value
from support.specs import spec_of

SMALLEST: dict[str, Any] = {"base": {"distribution": "debian:bookworm"}}
RANDOMS = st.randoms(use_true_random=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(documents(), RANDOMS)
def test_writing_it_otherwise_changes_nothing(document: dict[str, Any], random: Random) -> None:
    scribe = Scribe(random)
    assert spec_of(scribe.write(document), FILES) == spec_of(scribe.write(document), FILES)


def test_every_key_has_values_to_test_with() -> None:
    paths: set[Path] = set()
    for field in table_shape(Spec).fields:
        if isinstance(field.shape, Table) and field.key.toml != "source":
            paths |= {(field.key.toml, inner.key.toml) for inner in field.shape.fields}
        else:
            paths.add((field.key.toml,))
    assert set(VALUES) == paths


@pytest.mark.parametrize("path", VALUES, ids=".".join)
def test_every_key_changes_the_spec(path: Path) -> None:
    scribe = Scribe(Random(1))  # noqa: S311 (ways to write, no secrets)
    written = [with_value(SMALLEST, path, value) for value in VALUES[path]]
    if path != ("base",):
        written.append(SMALLEST)
    specs = [spec_of(scribe.write(document), FILES) for document in written]
    for one, other in combinations(specs, 2):
        assert one != other
        assert hash(one) != hash(other)


def test_what_a_requirements_file_says_changes_the_spec() -> None:
    text = '[base]\nimage = "a"\n[pip]\nrequirements = ["r.txt"]\n'
    contents = ("", "a", "b", "a==1", "a --hash=sha256:" + "0" * 64, "-c c.txt")
    specs = [spec_of(text, {"r.txt": content, "c.txt": "a"}) for content in contents]
    assert len(set(specs)) == len(specs)


REQUIREMENTS = st.builds(
    "{}{}{}{}".format,
    st.from_regex(r"[A-Za-z0-9]([._-]{0,2}[A-Za-z0-9]){0,3}", fullmatch=True),
    st.sampled_from(["", "[a]", " [ B_c , a ]", "[]"]),
    st.sampled_from(["", ">=1", " >= 1.0 , <2,!=1.5.*", "(==1.*)", "~=1.2rc1", "===x"]),
    st.sampled_from(["", " ;os_name=='nt'", " ; (extra == 'A_b' or python_version<'3.10')"]),
)


@given(REQUIREMENTS)
def test_the_kept_spelling_of_a_requirement_is_kept_and_means_the_same(text: str) -> None:
    kept = normalise_requirement(text)
    assert normalise_requirement(kept) == kept
    written, read = Requirement(text), Requirement(kept)
    assert canonicalize_name(read.name) == read.name == canonicalize_name(written.name)
    assert read.specifier == written.specifier
    assert read.extras == {canonicalize_name(extra) for extra in written.extras}
    assert str(read.marker) == str(written.marker)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    _parses_or_says_why(data)


@given(documents(), RANDOMS, st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3))))
def test_no_damage_raises_anything_else(
    document: dict[str, Any], random: Random, damage: list[tuple[float, bytes]]
) -> None:
    data = Scribe(random).write(document).encode()
    for where, what in damage:
        index = int(where * len(data))
        data = data[:index] + what + data[index + len(what) // 2 :]
    _parses_or_says_why(data)


@given(documents(), st.sampled_from(sorted(VALUES)), ANYTHING, RANDOMS)
def test_no_value_raises_anything_else(
    document: dict[str, Any], path: Path, value: object, random: Random
) -> None:
    text = Scribe(random).write(_without_none(with_value(document, path, value)))
    _parses_or_says_why(text.encode())


@given(st.binary(max_size=60) | st.text("-rc ab.#\\\n=[]<>;'\"0", max_size=40).map(str.encode))
def test_no_requirements_file_raises_anything_else(data: bytes) -> None:
    text = b'[base]\nimage = "a"\n[pip]\nrequirements = ["a"]\n'
    _parses_or_says_why(text, {"a": data, "b": b"b"})


def _parses_or_says_why(data: bytes, files: dict[str, bytes] | None = None) -> None:
    try:
        spec_of(data, files or {})
    except SpecError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.message for problem in problems)
    places = [(problem.line, problem.column) for problem in problems]
    assert files or places == sorted(places)


def _without_none(value: Any) -> Any:  # noqa: ANN401 (TOML values)
    """TOML has no null: leave out what is none."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value if item is not None]
    return value
