"""docs/lock.md: its examples are locks, its program gives the tag, and it leaves no key out."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from imagelock.lock import decode_lock, encode_lock, tag_digest
from imagelock.lock.pins import SECTIONS
from imagelock.lock.tables import Embedded, Field, Table
from imagelock.model.archives import WELL_KNOWN_ARCHIVES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/lock.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAM = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
WHOLE = "\n".join(BLOCKS)


def test_the_examples_together_are_a_lock_as_it_is_written() -> None:
    lock = decode_lock(WHOLE.encode(), source="docs/lock.md")
    written = tomllib.loads(encode_lock(lock).decode())
    expected = tomllib.loads(WHOLE)
    for key, value in expected.items():
        if key == "roots":
            assert {k: v for k, v in written[key].items() if v != {}} == value
        elif isinstance(value, list):
            # on the one platform of this lock, naming it says nothing
            named = [{k: v for k, v in entry.items() if k != "platforms"} for entry in value]
            assert sorted(written[key], key=str) == sorted(named, key=str), key
        else:
            assert written[key] == value


@pytest.mark.parametrize("block", BLOCKS[2:])
def test_the_keys_of_an_example_are_in_written_order(block: str) -> None:
    lock = decode_lock(WHOLE.encode(), source="docs/lock.md")
    written = encode_lock(lock).decode()
    for table in block.rstrip("\n").split("\n\n"):
        lines = [line for line in table.split("\n") if not line.startswith("platforms")]
        assert "\n".join(lines) + "\n" in written


def test_the_program_gives_the_tag() -> None:
    golden = ROOT / "tests/lock/golden/train.lock"
    assert len(PROGRAM) == 1
    answer = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", PROGRAM[0], str(golden)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    assert answer == tag_digest(decode_lock(golden.read_bytes(), source="train.lock"))


def keys_of(table: Table) -> list[str]:
    keys = []
    for field in table.fields:
        keys += keys_of(field.table) if isinstance(field, Embedded) else [field.key]
        if isinstance(field, Field) and field.key == "required-by":
            keys += ["specifier"]
    return keys


def test_every_section_and_key_is_described_and_in_an_example() -> None:
    examples = tomllib.loads(WHOLE)
    for section in SECTIONS:
        assert f"### `[[{section.key}]]`" in TEXT
        shown = {key for entry in examples[section.key] for key in entry}
        shown |= {key for entry in examples[section.key] for key in _inner(entry)}
        for key in keys_of(section.table):
            assert key in shown | {"platforms"}, f"{section.key} {key}"
            assert re.search(rf"`{key}\b[^`\n]*`", TEXT), key


def _inner(entry: dict[str, list[dict[str, str]]]) -> set[str]:
    return {key for edge in entry.get("required-by", []) for key in edge}


def test_every_well_known_archive_is_named() -> None:
    for name in WELL_KNOWN_ARCHIVES:
        assert f"`{name}`" in TEXT
