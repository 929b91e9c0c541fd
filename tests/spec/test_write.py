"""A spec written down is the spec that is read."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.spec import spec_of_document
from imagelock.spec.write import spec_document, spec_text
from support.spec_documents import FILES, VALUES, Path, Scribe, documents, with_value
from support.specs import BASE, reader_of, spec_of


@given(documents(), st.randoms(use_true_random=False))
def test_reading_what_is_written_gives_the_spec(document: dict[str, Any], random: Random) -> None:
    spec = spec_of(Scribe(random).write(document), FILES)
    text = spec_text(spec)
    assert spec_of(text, FILES) == spec
    assert spec_text(spec_of(text, FILES)) == text
    assert tomllib.loads(text) == spec_document(spec)


@given(documents())
def test_a_document_is_read_as_its_text_is(document: dict[str, Any]) -> None:
    named = {"name": "train", **document}
    spec = spec_of(Scribe(Random(1)).write(named), FILES)  # noqa: S311 (ways to write)

    assert spec_of_document(named, source="here", read_file=reader_of(FILES)) == spec
    unread = spec_of_document(named, source="here")
    assert spec_document(unread) == spec_document(spec)


@pytest.mark.parametrize("path", VALUES, ids=".".join)
def test_every_key_is_written(path: Path) -> None:
    for value in VALUES[path]:
        document = with_value({"name": "x", "base": {"layout": "oci:a"}}, path, value)
        written = spec_document(spec_of_document(document, source="here"))
        for part in path:
            assert part in written, (path, value)
            written = written[part]


def test_what_has_its_default_is_left_out() -> None:
    assert spec_text(spec_of(f'platforms = ["linux/amd64"]\n[pip]\npackages = []\n{BASE}')) == (
        'name = "train"\n\n[base]\ndistribution = "debian:bookworm"\n'
    )


def test_problems_of_a_document_name_its_keys() -> None:
    with pytest.raises(Exception, match=r"here: pip\.packages\[0\]: expected a requirement"):
        spec_of_document({"name": "x", "pip": {"packages": ["a b"]}}, source="here")
