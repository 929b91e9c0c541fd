"""The places that the walk finds are those a writer put the values at."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagelock.spec.positions import KeyPath, LineIndex, Place, scan_positions

BARE = st.text("abzAZ09-_", min_size=1, max_size=4)


def _basic(text: str) -> str:
    escaped = "".join(f"\\U{ord(c):08X}" if not c.isalnum() or c in '"\\' else c for c in text)
    return f'"{escaped}"'


QUOTED = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4).map(_basic)
KEY = BARE | QUOTED | st.text('a b.#[]="', max_size=4).map(lambda text: f"'{text}'")
SPACE = st.sampled_from(["", " ", "\t", "  "])
BREAK = st.sampled_from(["", "\n", "\r\n  ", ' # a ] comment, "\n', "\n\n\t"])
SCALAR = st.sampled_from(
    ["1", "0x1f", "1.5e3", "true", "1979-05-27 07:32:00", "inf", '"a#]}"', "'\\'",
     '"\\"\\\\"', '"""a "" \\""" ] \n# b"""', "'''a\r\n'b'''''", '""""""', '"""a"""""', "''", '""']
)  # fmt: skip


class Writer:
    """Writes TOML value by value, noting where each one begins."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.places: dict[KeyPath, Place] = {}

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 (of any strategy)
        return self.data.draw(strategy)

    def pair(self, path: KeyPath, taken: set[str], depth: int) -> None:
        key = self.draw(KEY)
        name = next(iter(tomllib.loads(f"{key} = 1")))
        if name in taken:
            return
        taken.add(name)
        start = len(self.text)
        self.text += f"{key}{self.draw(SPACE)}={self.draw(SPACE)}"
        self.places[(*path, name)] = Place(start, len(self.text))
        self.value((*path, name), depth)

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.draw(st.sampled_from(["scalar", "array", "table"])) if depth else "scalar"
        if kind == "scalar":
            self.text += self.draw(SCALAR)
        elif kind == "array":
            self.array(path, depth)
        else:
            self.table(path, depth)

    def array(self, path: KeyPath, depth: int) -> None:
        self.text += "["
        for index in range(self.draw(st.integers(0, 3))):
            self.text += self.draw(BREAK)
            self.places[(*path, index)] = Place(len(self.text), len(self.text))
            self.value((*path, index), depth - 1)
            self.text += f"{self.draw(BREAK)},"
        self.text += f"{self.draw(BREAK)}]"

    def table(self, path: KeyPath, depth: int) -> None:
        self.text += "{"
        taken: set[str] = set()
        for index in range(self.draw(st.integers(0, 3))):
            before = len(taken)
            mark = self.text
            self.text += f"{',' if before else ''}{self.draw(SPACE)}"
            self.pair(path, taken, depth - 1)
            if len(taken) == before:
                self.text = mark
            assert index < 3
        self.text += "}"

    def document(self) -> None:
        self.statements(())
        names: set[str] = set()
        for number in range(self.draw(st.integers(0, 3))):
            name = f"table-{number}"
            names.add(name)
            repeats = self.draw(st.integers(0, 2))
            for index in range(max(repeats, 1)):
                brackets = ("[[", "]]") if repeats else ("[", "]")
                start = len(self.text)
                self.text += f"{brackets[0]}{self.draw(SPACE)}"
                place = Place(len(self.text), start)
                self.places.setdefault((name,), place)
                path: KeyPath = (name, index) if repeats else (name,)
                self.places.setdefault(path, place)
                self.text += f"{name}{brackets[1]}{self.draw(SPACE)}# comment [x]\n"
                self.statements(path)

    def statements(self, path: KeyPath) -> None:
        taken: set[str] = set()
        for _ in range(self.draw(st.integers(0, 3))):
            self.text += self.draw(BREAK)
            self.pair(path, taken, 3)
            self.text += self.draw(st.sampled_from(["\n", "\r\n", " # x = [\n"]))


@given(st.data())
def test_every_place_is_where_it_was_written(data: st.DataObject) -> None:
    writer = Writer(data)
    writer.document()
    tomllib.loads(writer.text)
    assert scan_positions(writer.text).places == writer.places


def test_places_of_headers_with_several_parts() -> None:
    text = "[[a.b]]\n[a.b.c]\nx.y = 1\n[[a.b]]\n[[a.b.d]]\n[[a.b.d]]\nz = 2\n"
    places = scan_positions(text).places
    assert places["a", "b", 0, "c", "x", "y"] == Place(text.index("y ="), text.index("1\n"))
    assert places["a", "b", 1, "d", 1, "z"] == Place(text.index("z ="), text.index("2\n"))
    assert places["a",] == Place(2, 0)


def test_deep_values_are_skipped_and_what_follows_is_found() -> None:
    text = "a = " + "[" * 50 + '"]", # [\n' + "]" * 50 + "\nb = {c = 1}\n"
    tomllib.loads(text)
    assert scan_positions(text).places["b", "c"].key == text.index("c = 1")


@given(st.text(st.sampled_from(list("ab.=[]{}\"'#,\\\n\r\t 1é")), max_size=40))
def test_the_walk_ends_on_any_text(text: str) -> None:
    positions = scan_positions(text)
    assert all(0 <= offset <= len(text) for offset, _ in positions.keys)


@given(st.text("a\r\né☃", max_size=30))
def test_lines_and_columns_count_code_points(text: str) -> None:
    index = LineIndex(text)
    for offset in range(len(text)):
        line, column = index.position(offset)
        assert text.split("\n")[line - 1][column - 1 : column] == text[offset].replace("\n", "")
