"""Programs of another platform run where the kernel knows how, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagelock.build.oci.foreign import refuse_unrunnable
from imagelock.model.errors import BuildError
from imagelock.model.platform import KNOWN_PLATFORMS, Platform

HOST = next(item for item in KNOWN_PLATFORMS if item.machine == os.uname().machine)


def registered(folder: Path, flags: str) -> Path:
    (folder / "qemu-s390x").write_text(f"enabled\ninterpreter /usr/bin/q\nflags: {flags}\n")
    return folder


def test_this_machine_s_programs_run(tmp_path: Path) -> None:
    refuse_unrunnable(HOST, "t", registered=tmp_path)


def test_others_run_by_a_fixed_interpreter(tmp_path: Path) -> None:
    refuse_unrunnable(Platform("linux/s390x"), "t", registered=registered(tmp_path, "OCF"))


@pytest.mark.parametrize("flags", ["", "OC"])
def test_an_interpreter_outside_of_the_root_is_none(tmp_path: Path, flags: str) -> None:
    with pytest.raises(BuildError, match="without the flag F"):
        refuse_unrunnable(Platform("linux/s390x"), "t", registered=registered(tmp_path, flags))


def test_without_any_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="not registered") as caught:
        refuse_unrunnable(Platform("linux/riscv64"), "apt: 3 packages", registered=tmp_path)
    assert "qemu-user-static" in str(caught.value)
