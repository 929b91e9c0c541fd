"""The quick reader and the standard library's, held against each other."""

# ruff: noqa: E501  # pieces of text, side by side

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.lock import encode_lock
from imagelock.lock.read import _OtherForm, _sections, read_toml
from imagelock.model.lock import Lock
from support.strategies import locks

GOLDEN = (Path(__file__).parent / "golden/train.lock").read_text(encoding="utf-8")
TAIL = GOLDEN[GOLDEN.index("[[archive]]") :]
PIECES = (
    *("\n", "\r\n", "\t", " ", "  ", '"', '"""', "'", "\\", "#", "# a\n", "# \x00\n", ",", "=", "{", "}"),
    *("[", "]", "[[", "]]", "[[pip]]\n", "[pip]\n", "[[roots.copy]]\n", "[[pip.x]]\n", "[roots]\n"),
    *('name = "a"\n', "size = 01\n", "size = 1_0\n", "size = -1\n", "size = 99999999999999999\n"),
    *("true", "1", "1.0", "x = 1\n", 'x = """\n', "x = [\n", "x = ]\n", "x = [1]\n", 'x = ["a",]\n'),
    *('x = ["a", "b"]\n', '  { name = "a" },\n', '  { name = "a", b = 1 },\n', '  "a"\n', "\ufeff"),
    *("\x0b", "\x0c", "\x85", "\u2028", "\x1c", "\x7f", "é", "pip = 1\n", "a.b = 1\n", '"a" = 1\n'),
)  # fmt: skip


def by_the_library(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)


def by_us(text: str) -> object:
    try:
        return read_toml(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)


def test_it_reads_the_tables_of_the_golden_lock_itself() -> None:
    assert _sections(TAIL) == tomllib.loads(TAIL)


@settings(max_examples=settings().max_examples // 3)
@given(locks())
def test_it_agrees_on_what_is_written(lock: Lock) -> None:
    text = encode_lock(lock).decode()
    assert read_toml(text) == tomllib.loads(text)


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_it_agrees_on_what_was_changed(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([TAIL, GOLDEN[-1500:], "[[pip]]\n", GOLDEN[:400] + TAIL]))
    lines = text.split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(lines) - 1))
        line = lines[number]
        at = data.draw(st.integers(0, len(line)))
        piece = data.draw(st.sampled_from(PIECES))
        lines[number] = line[:at] + piece + line[at + data.draw(st.integers(0, 2)) :]
    changed = "\n".join(lines)
    assert by_us(changed) == by_the_library(changed)


@pytest.mark.parametrize("piece", PIECES)
def test_it_agrees_on_each_piece_alone(piece: str) -> None:
    for text in (
        piece,
        f"[[pip]]\n{piece}",
        f"[[pip]]\nx = [\n{piece}]\n",
        f"[[pip]]\nx = {piece}",
    ):
        assert by_us(text) == by_the_library(text)


@pytest.mark.parametrize(
    "text",
    [
        "[[pip]]\nsize = 1.5\n",
        '[[pip]]\nname = "\\u00e9"\n',
        '[[pip]]\nname = "a"\nname = "b"\n',
        "[[pip]]\nx = [\n",
        '[[pip]]\nx = [\n"a",\n]\n',
        "[[pip]] # a\n",
        "[[pip]]\n[pip.x]\n",
        '[[pip]]\nx = ["a"\n]\n',
    ],
)
def test_another_form_is_left_to_the_library(text: str) -> None:
    with pytest.raises(_OtherForm):
        _sections(text)


def test_a_section_in_the_head_is_left_to_the_library() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        read_toml('pip = 1\n[[pip]]\nname = "a"\n')
    inside = 'a = """\n[[pip]]\nname = "a"\n"""\n'
    assert read_toml(inside) == tomllib.loads(inside)
