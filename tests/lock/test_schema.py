"""The schema, held against the file in the repository and against what is written and read."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imagelock.lock.checks import Wrong, archive_url, contained_path
from imagelock.lock.document import from_document
from imagelock.lock.encode import encode_lock
from imagelock.lock.fields import CONTAINED
from imagelock.lock.pins import ARCHIVE, SECTIONS
from imagelock.lock.roots import ROOTS
from imagelock.lock.schema import lock_schema
from imagelock.lock.tables import Embedded, Field, Table, Tables, Variants
from imagelock.model import lock as lock_model
from imagelock.model import pip_spec as pip_spec_model
from imagelock.model import spec as spec_model
from imagelock.model.archives import is_local, local_path, local_reference
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from support.strategies import locks

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(lock_schema())


def test_the_file_is_what_the_module_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "imagelock.lock.schema"], capture_output=True, check=True
    ).stdout
    assert (ROOT / "schemas/lock.schema.json").read_bytes() == printed


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(lock_schema())


@settings(max_examples=settings().max_examples // 3)
@given(locks())
def test_what_is_written_is_valid(lock: Lock) -> None:
    document = tomllib.loads(encode_lock(lock).decode())
    VALIDATOR.validate(document)


def test_the_golden_lock_is_valid() -> None:
    golden = ROOT / "tests/lock/golden/train.lock"
    VALIDATOR.validate(tomllib.loads(golden.read_text(encoding="utf-8")))


REPLACEMENTS: tuple[object, ...] = (
    "",
    "x",
    "../x",
    "/x",
    0,
    -1,
    1.5,
    True,
    [],
    ["x"],
    [1],
    {},
    [{}],
    {"x": 1},
    None,
)


@settings(max_examples=settings().max_examples * 3)
@given(st.data())
def test_what_decodes_is_valid(data: st.DataObject) -> None:
    """Any leaf of the golden lock replaced by anything: the schema refuses no more than we do."""
    golden = ROOT / "tests/lock/golden/train.lock"
    document = tomllib.loads(golden.read_text(encoding="utf-8"))
    holder: object = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))  # type: ignore[arg-type]  # a list
        key = data.draw(st.sampled_from(keys))
        child = holder[key]  # type: ignore[index]  # a dict or a list
        if isinstance(child, dict | list) and child and data.draw(st.integers(0, 5)):
            holder = child
            continue
        value = data.draw(st.sampled_from(REPLACEMENTS))
        if value is None:
            del holder[key]  # type: ignore[attr-defined]  # a dict or a list
        else:
            holder[key] = value  # type: ignore[index]  # a dict or a list
        break
    try:
        from_document(document)
    except Wrong:
        return
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("version", "1"),
        ("recipe", 2),
        ("roots", []),
        ("context", 1),
        ("pip", {}),
        ("pip", [{}]),
        ("apt", [1]),
    ],
)
def test_what_is_wrong_is_invalid(key: str, value: object) -> None:
    golden = ROOT / "tests/lock/golden/train.lock"
    document = tomllib.loads(golden.read_text(encoding="utf-8"))
    assert not VALIDATOR.is_valid(document | {key: value})


@given(st.text(alphabet="./a\\\x00 \n", max_size=8))
def test_the_pattern_of_a_path_says_what_the_check_says(text: str) -> None:
    try:
        contained_path(text)
        fine = True
    except Wrong:
        fine = False
    assert CONTAINED.pattern is not None
    schema = {"type": "string", "pattern": f"^(?:{CONTAINED.pattern})$"}
    if "\n" not in text:  # Python's $ allows a last newline, ECMA's does not
        assert Draft202012Validator(schema).is_valid(text) == fine


@given(
    st.text(alphabet="htps:/a@?#. ", max_size=10).map(lambda text: f"https://{text}")
    | st.text(alphabet="./a% 2e\\\x00\n:?#", max_size=8)
)
def test_the_pattern_of_a_url_refuses_no_more_than_the_check(text: str) -> None:
    try:
        archive_url(text)
    except Wrong:
        return
    url = next(field for field in ARCHIVE.fields if isinstance(field, Field) and field.key == "url")
    assert Draft202012Validator(url.kind.schema()).is_valid(text)


@given(st.text(alphabet="./ab%:é ~", min_size=1, max_size=10).filter(lambda text: text[0] != "/"))
def test_a_folder_has_one_spelling_that_is_an_archive(path: str) -> None:
    reference = local_reference(path)
    assert is_local(reference)
    assert archive_url(reference) == reference
    assert local_reference(local_path(reference)) == reference
    assert local_path(reference) == posixpath.normpath(path)


@pytest.mark.parametrize(
    "url",
    [
        "/wheels/",
        "wheels",
        "./wheels/",
        "a/../b/",
        "a//b/",
        "%2e%2e/",
        "a%2Fb/",
        "a%62/",
        "a\\/",
        "/",
        "file:///wheels/",
        "ftp://host/",
        "c:/wheels/",
        "a%00/",
        "a/?x/",
        "a\tb/",
        "",
    ],
)
def test_no_other_spelling_of_a_folder_is_an_archive(url: str) -> None:
    with pytest.raises(Wrong):
        archive_url(url)


def tables_in(table: Table) -> list[Table]:
    found = [table]
    for field in table.fields:
        if isinstance(field, Embedded):
            found += tables_in(field.table)
        elif isinstance(field.kind, Table):
            found += tables_in(field.kind)
        elif isinstance(field.kind, Tables):
            found += tables_in(field.kind.table)
        elif isinstance(field.kind, Variants):
            found += [inner for item in field.kind.tables.values() for inner in tables_in(item)]
    return found


def test_every_field_of_the_model_has_a_key() -> None:
    """A field added to the model and not to the table would be lost on write."""
    tables = [*tables_in(ROOTS), *(t for s in SECTIONS for t in tables_in(s.table))]
    seen = set()
    for table in tables:
        model = table.model
        assert isinstance(model, type)
        seen.add(model)
        names = {field.name for field in dataclasses.fields(model)}
        assert names == {field.attribute for field in table.fields}, model
    defined = {
        value
        for module in (lock_model, spec_model, pip_spec_model)
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    assert defined - seen == {Lock, Platform}


def test_every_field_of_a_lock_has_a_section() -> None:
    named = {section.attribute for section in SECTIONS}
    fields = {field.name for field in dataclasses.fields(Lock)}
    assert fields == named | {"roots", "recipe", "context", "unknown"}


def test_every_key_is_described() -> None:
    for table in [*tables_in(ROOTS), *(t for s in SECTIONS for t in tables_in(s.table))]:
        for field in table.fields:
            if isinstance(field, Field):
                assert field.description.endswith(".")
                assert field.key == field.key.lower()


def test_keys_and_descriptions_are_in_the_schema() -> None:
    text = json.dumps(lock_schema(), ensure_ascii=False)
    assert '"dpkg-status"' in text
    assert "The hash of its InRelease file." in text
