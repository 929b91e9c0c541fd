"""docs/imagespec.md: its Python runs, in order, and its table has every field."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from imagelock import ImageBuildEngine, ImageSpec

TEXT = (Path(__file__).parents[2] / "docs" / "imagespec.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
OURS = {"more", "lock_file", "force", "place"}


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would resolve and build is held back; tests/image_spec does both for real."""
    assert len(BLOCKS) == TEXT.count("```python") >= 3
    monkeypatch.setattr(ImageSpec, "lock", lambda _self: None)
    monkeypatch.setattr(ImageBuildEngine, "build", lambda _spec: "train@sha256:…")
    namespace: dict[str, Any] = {"__name__": "m", "__file__": str(tmp_path / "m.py")}
    for block in BLOCKS:
        exec(compile(block, "docs/imagespec.md", "exec"), namespace)  # noqa: S102 (our own page)
    assert namespace["big"].lock_path == tmp_path / "m.train-big.lock"


def test_every_field_is_in_the_table() -> None:
    table = TEXT.split("## Fields")[1].split("\n\nBeside")[0]
    named = set(
        re.findall(
            r"`([a-z_]+)`",
            "".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `")),
        )
    )
    assert named == {item.name for item in dataclasses.fields(ImageSpec)} - OURS
