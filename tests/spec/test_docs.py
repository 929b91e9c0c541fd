"""docs/spec.md: its examples are specs, and it leaves no key out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from imagelock.spec.keys import KEYS
from support.specs import BASE, spec_of

TEXT = (Path(__file__).parents[2] / "docs/spec.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {
    "requirements.txt": "numpy\n",
    "uv.lock": (Path(__file__).parent / "data/uv/uv.lock").read_text(encoding="utf-8"),
}


def whole(block: str) -> str:
    return block if "base" in tomllib.loads(block) else f"{block}\n{BASE}"


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_are_specs(block: str) -> None:
    assert spec_of(whole(block), FILES).name in ("train", "image")


def test_no_example_is_missed() -> None:
    assert TEXT.count("```toml") == len(BLOCKS) > 10


def test_every_key_is_described_and_in_an_example() -> None:
    examples = "".join(BLOCKS)
    for keys in KEYS.values():
        for key in keys:
            assert re.search(rf"\b{key.toml}\b", examples), key.toml
            assert re.search(rf"`[^`\n]*\b{key.toml}\b[^`\n]*`", TEXT), key.toml
