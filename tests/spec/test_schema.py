"""The schema and the parser, held against each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path as FilePath
from random import Random
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imagelock.model.errors import SpecError
from imagelock.spec.schema import schema_text, spec_schema
from support.spec_documents import FILES, VALUES, Path, Scribe, documents, with_value
from support.specs import BASE, spec_of

ROOT = FilePath(__file__).parents[2]
VALIDATOR = Draft202012Validator(spec_schema())
SMALLEST = tomllib.loads(BASE)
WRONG: tuple[Any, ...] = (
    1,
    1.5,
    True,
    "\0",
    [],
    [1],
    [[]],
    {},
    {"no such key": 1},
    [{"no such key": 1}],
)
SCRIBE = Scribe(Random(1))  # noqa: S311 (ways to write, no secrets)
RANDOMS = st.randoms(use_true_random=False)


def schema_accepts(document: dict[str, Any]) -> bool:
    return bool(VALIDATOR.is_valid(document))


def parser_accepts(text: str) -> bool:
    try:
        spec_of(text, FILES)
    except SpecError:
        return False
    return True


def test_the_file_is_what_the_code_says() -> None:
    expected = (ROOT / "schemas/spec.schema.json").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "imagelock.spec.schema"]
    printed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    assert printed == schema_text() == expected


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(spec_schema())


def test_its_patterns_mean_the_same_in_every_language() -> None:
    for pattern in _patterns(spec_schema()):
        assert re.fullmatch(r"\^\(.*\)\$", pattern)
        plain = re.sub(r"\[(\\.|[^\]\\])*\]", "[]", pattern)
        assert not re.search(r"\\[A-Za-z]|\(\?[^:=!]|[*+?}]\+", plain), pattern
        assert not re.search(r"\\[A-Zad-su-z]", pattern.replace("\\u00", "")), pattern
        assert pattern.isascii()


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        for value in schema.values():
            yield from _patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)


@given(documents(), RANDOMS)
def test_what_the_parser_accepts_the_schema_accepts(
    document: dict[str, Any], random: Random
) -> None:
    text = Scribe(random).write(document)
    assert parser_accepts(text)
    assert schema_accepts(tomllib.loads(text.lstrip("\ufeff")))


@pytest.mark.parametrize("path", VALUES, ids=".".join)
def test_wrong_types_are_rejected_by_both(path: Path) -> None:
    right = {type(value) for value in VALUES[path]}
    rejected = 0
    for wrong in WRONG:
        if type(wrong) in right and (wrong in ([], {}, True) or _items_fit(wrong, path)):
            continue
        document = with_value(SMALLEST, path, wrong)
        assert not schema_accepts(document), wrong
        assert not parser_accepts(SCRIBE.write(document)), wrong
        rejected += 1
    assert rejected >= 6


def _items_fit(wrong: object, path: Path) -> bool:
    """Whether a wrong value is only wrong by its keys, which env and labels leave to a person."""
    return wrong == {"no such key": 1} and path == ("builder", "options")


@pytest.mark.parametrize(
    "text", ["", "[base]\n", BASE + "x = 1\n", "base = {image = 'a', layout = 'oci:b'}\n",
             BASE + "[source]\nmode = 'all'\n", BASE + "[[copy]]\nfrom = 'a'\n",
             BASE + "[[run]]\ncommands = []\n", "platforms = []\n" + BASE]
)  # fmt: skip
def test_wrong_tables_are_rejected_by_both(text: str) -> None:
    assert not parser_accepts(text)
    assert not schema_accepts(tomllib.loads(text))


NEAR_MISSES = st.sampled_from(
    [value for values in VALUES.values() for value in values if isinstance(value, str)]
    + [item for values in VALUES.values() for value in values if isinstance(value, list)
       for item in value if isinstance(item, str)]
)  # fmt: skip


@given(st.sampled_from(sorted(VALUES)), st.text(max_size=6) | NEAR_MISSES, st.data())
def test_any_text_that_the_parser_accepts_the_schema_accepts(
    path: Path, text: str, data: st.DataObject
) -> None:
    shape = data.draw(st.sampled_from(VALUES[path]))
    if isinstance(shape, dict):
        value: Any = dict.fromkeys(shape, text)
    elif isinstance(shape, list) and isinstance(next(iter(shape), ""), dict):
        value = [dict.fromkeys(shape[0], text)]
    else:
        value = [text] if isinstance(shape, list) else text
    document = with_value(SMALLEST, path, value)
    try:
        spec_of(SCRIBE.write(document), {**FILES, text: ""})
    except SpecError:
        reject()
    assert schema_accepts(document)
