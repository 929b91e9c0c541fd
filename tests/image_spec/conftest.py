"""ImageSpecs on a base that is a few bytes on disk: locked and built without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagelock import ImageBuildEngine, ImageSpec
from imagelock.image_spec.place import Place
from support.layouts import Entry, LayoutWriter, tar_of

Maker = Callable[..., ImageSpec]


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store and a docker configuration of the test's own; a developer's machine, no CI."""
    monkeypatch.setenv("IMAGELOCK_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("CI", "IMAGELOCK_FROZEN", "_F_IMG_ID", "FLYTE_PUSH_IMAGE_SPEC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ImageBuildEngine, "real_names", {})
    monkeypatch.setattr(ImageBuildEngine, "_registered", {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a module, with a base beside it."""
    folder = tmp_path / "project" / "workflows"
    writer = LayoutWriter(folder / "layout")
    release = Entry("etc/os-release", b"ID=small\n")
    python = Entry("usr/bin/python3.11", b"\x7fELF\x003.11.2\x00", mode=0o755)
    writer.finish([writer.image([tar_of([release, python])])])
    return folder


@pytest.fixture
def make(folder: Path) -> Maker:
    """An ImageSpec of the module ``train.py`` in that folder."""

    def made(**fields: Any) -> ImageSpec:  # noqa: ANN401 (fields of any type)
        fields = {"base_image": "oci:layout", "place": Place(folder, "train"), **fields}
        return ImageSpec(**fields)

    return made
