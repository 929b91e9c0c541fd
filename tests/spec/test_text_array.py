"""Edits of arrays in text, in every layout that people write."""

from __future__ import annotations

import tomllib

import pytest

from imagelock.spec.text_array import TextArray


def array_of(array: str) -> TextArray:
    return TextArray(f"a = {array}", ("a",))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ('["a",]', '["a", "x",]'),
        ('["a" # b\n]', '["a", "x" # b\n]'),
        ('["a",\n"b"]', '["a",\n"b",\n"x"]'),
        ('[\n "a", "b",\n]', '[\n "a", "b", "x",\n]'),
        ('[\n  "a"  # b\n]', '[\n  "a",  # b\n  "x"\n]'),
        ('[\n  "a",\n  # b\n]', '[\n  "a",\n  "x",\n  # b\n]'),
        ('[\n  "a",  # b\n]', '[\n  "a",  # b\n  "x",\n]'),
        ('[\n  "a"\n  # b\n]', '[\n  "a",\n  "x"\n  # b\n]'),
        ('[\n  "a"\n  ,\n]', '[\n  "a", "x"\n  ,\n]'),
        ('[\n  "a", ]', '[\n  "a",\n  "x", ]'),
        ('[\r\n\t"a"\r\n]', '[\r\n\t"a",\r\n\t"x"\r\n]'),
    ],
)
def test_appending(array: str, expected: str) -> None:
    text = array_of(array).with_appended("x")
    assert text == f"a = {expected}"
    assert tomllib.loads(text)["a"] == [*array_of(array).values, "x"]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ('["x"]', "[]"),
        ('["x",]', "[]"),
        ('["x", "a"]', '["a"]'),
        ('["a", "x"]', '["a"]'),
        ('["a", "x", ]', '["a", ]'),
        ('["a", "x", "b"]', '["a", "b"]'),
        ('[\n  "x",  # b\n]', "[\n]"),
        ('[\n  "a",\n  "x"\n]', '[\n  "a",\n]'),
        ('[\r\n  "x",\r\n  "a"\r\n]', '[\r\n  "a"\r\n]'),
        ('[\n  "a",\n  # b\n  "x"\n]', '[\n  "a",\n  # b\n]'),
        ('["a", # b\n"x"]', '["a", # b\n]'),
        ('["x" # b\n, "a"]', '[ # b\n "a"]'),
        ('[\n  "x"\n  , "a"]', '[\n  \n  "a"]'),
        ('[\n  "a", "x", # b\n  "c",\n]', '[\n  "a", # b\n  "c",\n]'),
    ],
)
def test_removing(array: str, expected: str) -> None:
    before = array_of(array)
    text = before.without(before.values.index("x"))
    assert text == f"a = {expected}"
    assert tomllib.loads(text)["a"] == [value for value in before.values if value != "x"]


@pytest.mark.parametrize("value", ["a", 'a"b', "a'b", "a\"b'c", "\\", "\n\t\x7f\x01", "é☃", ""])
def test_any_text_can_be_a_value(value: str) -> None:
    text = array_of("['x', 'y']").with_replaced(1, value)
    assert tomllib.loads(text)["a"] == ["x", value]
