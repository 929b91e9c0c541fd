"""One lock, its file, its canonical bytes and its tag: none may change by accident.

Whoever means to change the format of a recipe that is released has made a mistake; a new key,
left out at its default, changes nothing here but the example.
"""

from __future__ import annotations

import dataclasses
import hashlib
from enum import Enum
from pathlib import Path

import pytest

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.normal import normalise
from imagelock.lock.tag import canonical_bytes, lock_digest, tag_digest
from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from support.example_lock import example_lock

GOLDEN = Path(__file__).parent / "golden"
TAG = "6c00344b2d5de876f0234916ccec76d4"


def test_the_file() -> None:
    assert encode_lock(example_lock()) == (GOLDEN / "train.lock").read_bytes()


def test_the_file_is_read_as_the_same_lock() -> None:
    data = (GOLDEN / "train.lock").read_bytes()
    assert decode_lock(data, source="train.lock") == normalise(example_lock())


def test_the_canonical_bytes() -> None:
    assert canonical_bytes(example_lock()) == (GOLDEN / "train.canonical.json").read_bytes()


def test_the_tag() -> None:
    canonical = (GOLDEN / "train.canonical.json").read_bytes()
    assert hashlib.sha256(canonical).hexdigest() == lock_digest(example_lock())
    assert tag_digest(example_lock()) == TAG


def values_of(value: object) -> list[object]:
    """A model value and all model values in it."""
    if isinstance(value, tuple):
        return [inner for item in value for inner in values_of(item)]
    if not dataclasses.is_dataclass(value):
        return []
    fields = dataclasses.fields(value)
    return [value, *(inner for f in fields for inner in values_of(getattr(value, f.name)))]


@pytest.mark.parametrize(
    "model", sorted({type(value) for value in values_of(example_lock())}, key=str)
)
def test_every_field_is_in_the_example(model: type[Lock]) -> None:
    """A field that someone adds to the model must be written, read and part of the tag."""
    instances = [value for value in values_of(example_lock()) if type(value) is model]
    for field in dataclasses.fields(model):
        if (model, field.name) in {(Lock, "recipe"), (Lock, "unknown")}:
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        assert any(getattr(item, field.name) != default for item in instances), field.name


def leaves(value: object, place: str) -> list[tuple[str, object]]:
    """Every leaf of a lock with a place, as attribute names and indexes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, Platform):
        return [
            leaf
            for field in dataclasses.fields(value)
            for leaf in leaves(getattr(value, field.name), f"{place}.{field.name}")
        ]
    if isinstance(value, tuple):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, f"{place}[{i}]")]
    return [(place, value)]


def test_every_leaf_is_in_the_file() -> None:
    """Independent of the table of fields: each leaf of the model is found in the text."""
    text = (GOLDEN / "train.lock").read_text(encoding="utf-8")
    for place, value in leaves(example_lock(), "lock"):
        shown = value.value if isinstance(value, Enum) else value
        if isinstance(shown, str):
            plain = shown.replace("\\", "\\\\").replace('"', '\\"')
            assert plain.replace("\n", "\\n").replace("\t", "\\t") in text, place
        elif isinstance(shown, int) and not isinstance(shown, bool):
            assert f"= {shown}\n" in text, place


def test_an_archive_and_an_artifact_are_in_the_example() -> None:
    found = {type(value) for value in values_of(example_lock())}
    assert {Archive, Artifact, Platform} <= found
