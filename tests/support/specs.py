"""Specs in tests: parsed from text, with the files they name held in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from imagelock.model.errors import SpecError
from imagelock.model.spec import Spec
from imagelock.spec import parse_spec

BASE = '[base]\ndistribution = "debian:bookworm"\n'
"""The least a spec needs."""
KEY_FILE = (Path(__file__).parents[1] / "apt" / "data" / "sha1.asc").read_bytes()
"""A real key file: every path that ends in .asc holds it unless a test says otherwise."""


def spec_of(text: str | bytes, files: Mapping[str, str | bytes] | None = None) -> Spec:
    """The spec of a text, whose file is ``train.toml``."""
    return parse_spec(_bytes(text), source="train.toml", read_file=reader_of(files))


def reader_of(files: Mapping[str, str | bytes] | None) -> Callable[[str], bytes]:
    """What reads the files that a spec names, held in memory."""

    def read_file(path: str) -> bytes:
        try:
            return _bytes((files or {})[path])
        except KeyError:
            if path.endswith(".asc"):
                return KEY_FILE
            raise FileNotFoundError(2, "No such file or directory", path) from None

    return read_file


def problems_of(text: str | bytes, files: Mapping[str, str | bytes] | None = None) -> str:
    """What is said about a spec that is wrong."""
    with pytest.raises(SpecError) as caught:
        spec_of(text, files)
    return str(caught.value)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
