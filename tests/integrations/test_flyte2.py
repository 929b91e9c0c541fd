"""Flyte 2's builder, against the real `flyte` in an environment of its own.

flyte and flytekit want other versions of the same packages, so one environment cannot hold both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import kept_folder
from support.layouts import Entry, LayoutWriter, tar_of

pytestmark = [pytest.mark.slow, pytest.mark.network]

REPOSITORY = Path(__file__).parents[2]

SCRIPT = """
import asyncio, json, os, pathlib
import flyte
from flyte._internal.imagebuild.image_builder import ImageBuildEngine
from imagelock.image_spec import locking

said = {}
flyte.init(image_builder="imagelock")
pathlib.Path("data").mkdir()
pathlib.Path("data/a.txt").write_text("hello")
image = (
    flyte.Image.from_base("oci:layout")
    .clone(name="two", extendable=True)
    .with_env_vars({"A": "two words"})
    .with_workdir("/srv")
    .with_source_folder(pathlib.Path("data"), "/srv/data")
)
dry = asyncio.run(ImageBuildEngine.build(image, dry_run=True))
said["dry"] = dry.uri
said["built_by_dry_run"] = any(pathlib.Path(os.environ["IMAGELOCK_STORE"]).glob("layouts/*"))
said["uri"] = asyncio.run(ImageBuildEngine.build(image)).uri
import tomllib
roots = tomllib.loads(pathlib.Path("two.lock").read_text())["roots"]
said["env"] = roots["env"]
said["id"] = roots["env"]["_F_IMG_ID"] == image.uri
said["workdir"] = roots["image"]["workdir"]
from imagelock.integrations.flyte import image_spec_of
more = image.with_pip_packages("rich", pre=True).with_apt_packages("git").with_commands(["true"])
said["spec"] = image_spec_of(more).to_spec()
try:
    image_spec_of(image.with_pip_packages("x", secret_mounts="token"))
except Exception as error:
    said["refused"] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """An environment with flyte and this checkout, kept between runs."""
    folder = kept_folder() / "flyte2"
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    subprocess.run(
        [
            *("uv", "pip", "install", "-q", "--python", str(interpreter)),
            *("flyte>=2,<3", "-e", str(REPOSITORY)),
        ],
        check=True,
    )
    return interpreter


def test_an_image_of_flyte_2_is_built_from_its_lock(python: Path, tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "layout")
    writer.finish([writer.image([tar_of([Entry("etc/os-release", b"ID=small\n")])])])
    drop = {"CI", "IMAGELOCK_FROZEN", "_F_IMG_ID"}
    done = subprocess.run(
        [str(python), "-c", SCRIPT],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if name not in drop},
            "IMAGELOCK_STORE": str(tmp_path / "store"),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["dry"].startswith("two:")
    assert not said["built_by_dry_run"]
    assert re.fullmatch(r"two@sha256:[0-9a-f]{64}", said["uri"])
    assert said["env"]["A"] == "two words"
    assert said["id"]
    assert said["workdir"] == "/srv"
    assert 'packages = ["rich"]' in said["spec"]
    assert 'prerelease = "allow"' in said["spec"]
    assert "a secret of the layer PipPackages" in said["refused"]
