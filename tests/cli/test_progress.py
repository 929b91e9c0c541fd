"""Bars on a terminal, and never anywhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cli.test_streams import on_terminal
from support.command import call
from support.layouts import Entry, LayoutWriter, tar_of


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of one copied file, of random bytes, on a base of one file."""
    writer = LayoutWriter(tmp_path / "base")
    writer.finish([writer.index([writer.image([tar_of([Entry("a", b"b")])])])])
    (tmp_path / "data").write_bytes(os.urandom(20_000_000))
    path = tmp_path / "app.toml"
    path.write_text('[base]\nlayout = "oci:base"\n[[copy]]\nfrom = "data"\nto = "/srv/"\n')
    called = call("lock", str(path), env={"IMAGELOCK_STORE": str(tmp_path / "store")})
    assert called.code == 0, called.err
    return path


def test_bars_are_for_terminals_alone(spec: Path, tmp_path: Path) -> None:
    store = {"IMAGELOCK_STORE": str(tmp_path / "one")}
    shown = on_terminal("build", str(spec), **store)
    # A bar with its title and bytes, gone at the end.
    assert re.search(r"copy: 1 rule .*\d+\.\d(?:/\?)? (?:M|k)?B", shown)
    assert "\x1b[?25l" in shown
    assert "wrote oci:" in shown
    logged = call("build", str(spec), env={"IMAGELOCK_STORE": str(tmp_path / "two")})
    assert "\x1b" not in logged.out + logged.err
    assert "━" not in logged.err
    assert "1 of 2 layers reused" in logged.err


def test_no_color_leaves_bars_without_colours(spec: Path, tmp_path: Path) -> None:
    shown = on_terminal("build", str(spec), NO_COLOR="1", IMAGELOCK_STORE=str(tmp_path / "one"))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", shown)


def test_the_summary_says_what_was_reused(spec: Path, tmp_path: Path) -> None:
    store = {"IMAGELOCK_STORE": str(tmp_path / "one")}
    first = call("build", str(spec), env=store)
    again = call("build", str(spec), env=store)
    assert "1 of 2 layers reused, 20.0 MB made, 0.0 MB fetched" in first.err
    assert "2 of 2 layers reused, 0.0 MB made, 0.0 MB fetched" in again.err
    assert "layers reused" not in call("build", str(spec), "--quiet", env=store).err
