"""The command line as a test calls it: in this process, or as a process of its own."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from imagelock.cli import main


@dataclass(frozen=True, slots=True)
class Called:
    """What one call gave."""

    code: int
    out: str
    err: str


def kept_folder() -> Path:
    """The folder that keeps downloads between test runs."""
    named = os.environ.get("IMAGELOCK_TEST_CACHE")
    folder = Path(named) if named else Path.home() / ".cache" / "imagelock-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def call(*arguments: str, env: Mapping[str, str] | None = None) -> Called:
    """Run one command line in this process, with the store of the test cache."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    changed = {"IMAGELOCK_STORE": str(kept_folder() / "store"), **(env or {})}
    with mock.patch.dict(os.environ, changed), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    out.flush()
    written = out.buffer.getvalue()
    return Called(code=code, out=written.decode(), err=err.getvalue())


PYTHON = sys.executable
