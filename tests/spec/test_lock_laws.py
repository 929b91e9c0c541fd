"""Locks of other tools, broken anywhere: a lock is read, or refused with problems; never worse."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.model.errors import SpecError
from imagelock.model.toml import inline_text, key_text
from support.other_locks import DATA, LOCKS, PLACES
from support.specs import BASE, spec_of

JUNK = st.sampled_from(
    ["", "x", "\n", "[", "1.0; os_name", "../..", "==1", "ü", 0, -1, True, 1.5, [], [""], [1]]
) | st.sampled_from([{}, {"x": "y"}, [{}], [{"name": "x"}], {"version": 1}, "gone"])
RANDOMS = st.randoms(use_true_random=False)


def parsed(path: Path) -> Any:  # noqa: ANN401 (a document)
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.name == "Pipfile.lock" else tomllib.loads(text)


def small(document: Any, size: int = 4) -> Any:  # noqa: ANN401 (a document)
    """The same with few files a package, so that a change hits something else too."""
    if isinstance(document, dict):
        return {key: small(value) for key, value in document.items()}
    if isinstance(document, list) and len(document) > size:
        is_files = all(isinstance(item, dict) and "name" not in item for item in document)
        return [small(item) for item in (document[:size] if is_files else document)]
    return document


def places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 (a document)
    """Every container of a document with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def written(name: str, document: Any) -> str:  # noqa: ANN401 (a document)
    if name == "Pipfile.lock":
        return json.dumps(document)
    return "".join(f"{key_text(key)} = {inline_text(value)}\n" for key, value in document.items())


NAMES = {**LOCKS, **PLACES}
DOCUMENTS = {tool: small(parsed(DATA / tool / name)) for tool, name in NAMES.items()}
PROJECTS = {
    tool: parsed(DATA / tool / "pyproject.toml")
    for tool in NAMES
    if (DATA / tool / "pyproject.toml").exists()
}


def read(tool: str, document: object, project: object) -> object:
    name = NAMES[tool]
    chosen = f'{{ path = "{name}", extras = ["plot"], groups = ["dev", "lint"] }}'
    item = chosen if tool == "poetry-places" else f'"{name}"'
    files = {name: written(name, document), "pyproject.toml": written("", project)}
    return spec_of(f"{BASE}[pip]\nrequirements = [{item}]\n", files).pip.requirements


@pytest.mark.parametrize("tool", sorted(LOCKS))
def test_whole_locks_are_read(tool: str) -> None:
    assert read(tool, DOCUMENTS[tool], PROJECTS.get(tool, {}))


@settings(max_examples=200)
@given(st.sampled_from(sorted(NAMES)), RANDOMS, JUNK, st.integers(1, 3), st.integers(0, 1))
def test_a_broken_lock_is_refused_with_problems(
    tool: str, random: Random, junk: object, times: int, which: int
) -> None:
    documents = copy.deepcopy((DOCUMENTS[tool], PROJECTS.get(tool, {})))
    chosen = documents[1] if which and documents[1] else documents[0]
    for _ in range(times):
        holder, key = random.choice(list(places(chosen)))
        if junk == "gone":
            del holder[key]
        else:
            holder[key] = copy.deepcopy(junk)
        if not chosen:
            break
    with suppress(SpecError):
        read(tool, *documents)
