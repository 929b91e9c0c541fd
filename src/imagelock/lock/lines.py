"""A lock with a line a pin: what line-by-line tools such as `git log -p` compare well."""

from __future__ import annotations

from imagelock.lock.document import TOP_KEYS, to_document
from imagelock.lock.normal import normalise
from imagelock.lock.pins import SECTIONS
from imagelock.lock.words import printable
from imagelock.model.lock import Lock
from imagelock.model.toml import inline_text, nested_table

_FIRST = ("name", "version")


def lock_lines(lock: Lock) -> str:
    """Every value of a lock as text: the roots as in the file, then one line a pin.

    Nothing is left out: two locks that differ have lines that differ.
    """
    document = to_document(normalise(lock))
    sections = {section.key for section in SECTIONS}
    lines = [
        f"{key} = {inline_text(value)}"
        for key, value in document.items()
        if key not in sections | {"roots"} and (key not in TOP_KEYS or key != "version")
    ]
    roots = document["roots"]
    assert isinstance(roots, dict)
    lines += ["", *nested_table("[roots]", "roots", roots)]
    for section in SECTIONS:
        tables = document.get(section.key, [])
        assert isinstance(tables, list)
        lines += [f"{section.key} {_pin_text(table)}" for table in tables]
    return "".join(f"{printable(line)}\n" for line in lines)


def _pin_text(table: dict[str, object]) -> str:
    """Name and version bare, since they are what a reader looks for; then the other fields."""
    first = [str(table[key]) for key in _FIRST if key in table]
    rest = [f"{key}={inline_text(value)}" for key, value in table.items() if key not in _FIRST]
    return " ".join(first + rest)
