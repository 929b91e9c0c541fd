"""The locks in the repository: real answers of the real archives."""

from __future__ import annotations

import difflib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from imagelock.lock import (
    canonical_bytes,
    decode_lock,
    diff_locks,
    encode_lock,
    normalise,
    show_json,
    show_text,
    tree,
    why,
)
from imagelock.lock.graph import Branch, nodes
from imagelock.lock.read import _sections
from imagelock.lock.schema import lock_schema
from imagelock.model.lock import Lock

FOLDER = Path(__file__).parents[2] / "locks"
LOCKS = sorted(FOLDER.rglob("*.lock"))


def read(path: Path) -> Lock:
    return decode_lock(path.read_bytes(), source=str(path))


def test_there_are_some() -> None:
    assert LOCKS


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_each_is_written_as_it_was_read(path: Path) -> None:
    data = path.read_bytes()
    assert encode_lock(read(path)) == data
    Draft202012Validator(lock_schema()).validate(tomllib.loads(data.decode()))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_its_pins_are_read_the_quick_way(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tail = text[text.index("\n[[base]]") + 1 :]
    assert _sections(tail) == tomllib.loads(tail)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_has_a_way_from_a_root(path: Path) -> None:
    lock = read(path)
    reached: set[tuple[str, str]] = set()

    def walk(kind: str, branches: tuple[Branch, ...]) -> None:
        for branch in branches:
            reached.add((kind, branch.node.name))
            walk(kind, branch.branches)

    for root in tree(lock):
        walk(root.kind, root.branches)
    assert reached == {(node.kind, node.name) for node in nodes(lock)}
    for node in nodes(lock):
        assert all(found.chains for found in why(lock, node.name))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_it_can_be_shown(path: Path) -> None:
    lock = read(path)
    packages = show_json(lock, tag="t")["packages"]
    assert isinstance(packages, list)
    assert len(packages) == len(lock.apt) + len(lock.conda) + len(lock.pythons) + len(lock.pip)
    assert all(p["url"].startswith("http") for p in packages if p["kind"] != "python")
    assert json.loads(canonical_bytes(lock))["version"] == 1
    assert show_text(lock, tag="t").isascii()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_one_version_is_one_line(path: Path) -> None:
    data = path.read_bytes()
    pin = read(path).apt[-1]
    before = f'name = "{pin.name}"\nversion = "{pin.version}"'
    after = f'name = "{pin.name}"\nversion = "{pin.version}+b9"'
    new = decode_lock(data.replace(before.encode(), after.encode()), source="new")
    changed = difflib.ndiff(data.decode().split("\n"), encode_lock(new).decode().split("\n"))
    lines = [line for line in changed if line.startswith(("- ", "+ "))]
    assert {line.partition(" = ")[0] for line in lines} == {"- version", "+ version"}
    diff = diff_locks(read(path), new)
    assert {change.label for change in diff.packages} == {pin.name}
    assert {change.direction.value for change in diff.packages} == {"upgraded"}


def test_a_package_of_the_base_may_be_upgraded_on_top_of_it() -> None:
    """The base keeps its pin and the apt packages have their own, as dpkg sees two versions."""
    lock = decode_lock((FOLDER / "hello.lock").read_bytes(), source="hello.lock")
    pin = next(pin for pin in lock.apt if pin.base)
    newer = replace(pin, version=f"{pin.version}+newer", base=False)
    both = normalise(replace(lock, apt=(*lock.apt, newer), images=()))
    assert decode_lock(encode_lock(both), source="both") == both
    versions = [found.version for found in both.apt if found.name == pin.name]
    assert newer.version in versions
    assert pin.version in versions
