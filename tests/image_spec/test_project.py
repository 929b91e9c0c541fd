"""``install_project``: the project itself beside what its lock pins, built in a real Debian."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagelock import ImageBuildEngine, ImageSpec
from imagelock.image_spec.locking import wanted_spec
from imagelock.image_spec.place import Place
from imagelock.model.errors import CheckFailed, SpecError
from support.command import call, kept_folder
from support.sources import project_files, write_files

POETRY = """\
[tool.poetry]
name = "older"
version = "1.0"
description = ""
authors = []
[tool.poetry.dependencies]
python = "^3.11"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""


def project(folder: Path) -> ImageSpec:
    """An ImageSpec of a module inside the project."""
    place = Place(folder / "flows", "train")
    (folder / "flows").mkdir(exist_ok=True)
    return ImageSpec(
        python_version="3.11",
        requirements="../uv.lock",
        install_project=True,
        place=place,
    )


@pytest.mark.network
@pytest.mark.root
def test_a_project_is_installed_beside_what_its_uv_lock_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGELOCK_STORE", str(kept_folder() / "store"))
    files = project_files(dependencies=("six>=1.15",), requires="flit_core>=3.2")
    write_files(tmp_path, {**files, ".python-version": "3.11\n"})
    subprocess.run(["uv", "lock", "-q", "--exclude-newer", "2021-01-01"], cwd=tmp_path, check=True)
    lock = project(tmp_path).lock()
    # six 1.16 is of May 2021: the version is uv.lock's
    assert {(pin.name, pin.version) for pin in lock.pip} == {("six", "1.15.0"), ("tool", "1.0")}
    assert project(tmp_path).tag == project(tmp_path).tag
    assert ImageBuildEngine.build(project(tmp_path)) is not None
    built = call("build", str(project(tmp_path).lock_path), "--output", f"oci:{tmp_path}/out")
    assert built.code == 0, built.err
    ran = call(
        "run", f"oci:{tmp_path}/out", "--", "/opt/venv/bin/python", "-c",
        "import six, tool; print(six.__version__, tool.VERSION)",
    )  # fmt: skip
    assert (ran.code, capfd.readouterr().out) == (0, "1.15.0 1.0\n"), ran.err
    # The project's content is locked, and a lock of imagelock in it is no part of that.
    write_files(tmp_path, {"tool/more.py": ""})
    monkeypatch.setenv("IMAGELOCK_FROZEN", "1")
    with pytest.raises(CheckFailed, match=r"\.\.: content"):
        _ = project(tmp_path).tag


def test_the_name_is_the_project_s_own_in_poetry_s_table_too(tmp_path: Path) -> None:
    lock = 'package = []\n[metadata]\nlock-version = "2.0"\npython-versions = "^3.11"\n'
    write_files(tmp_path, {"pyproject.toml": POETRY, "poetry.lock": lock})
    spec = ImageSpec(
        requirements="poetry.lock", install_project=True, place=Place(tmp_path, "train")
    )
    assert wanted_spec(spec).pip.packages == ("older @ ./",)


def test_without_requirements_it_is_the_module_s_own_folder(tmp_path: Path) -> None:
    write_files(tmp_path, project_files())
    place = Place(tmp_path, "train")
    assert wanted_spec(ImageSpec(install_project=True, place=place)).pip.packages == ("tool @ ./",)
    empty = Place(tmp_path / "tool", "train")
    with pytest.raises(SpecError, match=r"'\./', which has no pyproject\.toml"):
        wanted_spec(ImageSpec(install_project=True, place=empty))
