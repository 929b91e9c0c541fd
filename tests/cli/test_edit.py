"""Edits of a spec by several at once, and of a spec that stays as it was when an edit is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from support.command import call

SPEC = 'name = "edited"\n[base]\ndistribution = "debian:bookworm"\n[pip]\npackages = []\n'


def test_packages_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    spec = tmp_path / "edited.toml"
    spec.write_text(SPEC)
    names = [f"package-{number}" for number in range(6)]
    adding = [
        subprocess.Popen(
            [sys.executable, "-m", "imagelock", "add", "--quiet", "--spec", str(spec), name],
            env=os.environ | {"IMAGELOCK_STORE": str(tmp_path / "store")},
            stdout=subprocess.DEVNULL,
        )
        for name in names
    ]
    assert [process.wait() for process in adding] == [0] * len(names)
    assert sorted(tomllib.loads(spec.read_text())["pip"]["packages"]) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edited.toml", "store"]


def test_a_spec_that_is_wrong_is_not_edited_and_its_problem_has_a_place(tmp_path: Path) -> None:
    spec = tmp_path / "edited.toml"
    for wrong in (SPEC.replace("name", "nmae"), "pip = 3\n" + SPEC, "pip = ['a']\n"):
        spec.write_text(wrong)
        for command in ("add", "remove"):
            called = call(command, "--spec", str(spec), "six")
            assert called.code == 2
            assert "Traceback" not in called.err
        assert spec.read_text() == wrong
    spec.write_text(SPEC.replace("name", "nmae"))
    assert f"{spec}:1:1" in call("add", "--spec", str(spec), "six").err
