"""Flyte 2's builder, against the real `flyte` in an environment of its own.

flyte and flytekit want other versions of the same packages, so one environment cannot hold both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from build.conftest import needs_root
from support.command import call, kept_folder
from support.layouts import Entry, LayoutWriter, tar_of
from support.minbase import minbase_layout

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

LAYERS = """
import json, pathlib
from pathlib import Path
import flyte
from flyte._image import (
    CodeBundleLayer, Image, PixiProject, PoetryProject, PythonWheels, UVProject, UVScript,
)
from imagelock.integrations.flyte import image_spec_of

flyte.init(image_builder="imagelock")
for name in ("data", "wheels", "app", "pixi"):
    Path(name).mkdir()
Path("data/a.txt").write_text("hello")
Path("data/debug.log").write_text("noise")
Path("notes.txt").write_text("notes")
Path("reqs.txt").write_text("rich\\n")
Path(".dockerignore").write_text("*.md\\n")
Path("logs.dockerignore").write_text("**/*.log\\n")
Path("app/pyproject.toml").write_text(
    '[project]\\nname = "app"\\nversion = "1"\\ndependencies = ["six"]\\n'
    '[project.optional-dependencies]\\nplot = ["cycler"]\\n'
)
Path("app/uv.lock").write_text("version = 1\\n")
Path("app/poetry.lock").write_text("")
Path("script.py").write_text('# /// script\\n# dependencies = ["attrs"]\\n# ///\\n')
FORGE = "https://conda.anaconda.org/conda-forge"
URL = FORGE + "/noarch/tzdata-2024a-h0c530f3_0.conda"
Path("pixi/pixi.toml").write_text("")
Path("pixi/pixi.lock").write_text(
    "version: 6\\nenvironments:\\n  default:\\n    channels:\\n    - url: " + FORGE + "/\\n"
    "    packages:\\n      linux-64:\\n      - conda: " + URL + "\\n      - pypi: ./\\n"
    "packages:\\n- conda: " + URL + "\\n  sha256: " + "0a" * 32 + "\\n"
    "- pypi: ./\\n  name: app\\n"
)
start = Image.from_base("oci:layout").clone(name="two", extendable=True)
out = {}

def said(label, image):
    try:
        spec, texts = image_spec_of(image), []
        while not isinstance(spec, (str, type(None))):
            texts.insert(0, spec.to_spec())
            spec = spec.base_image
        out[label] = texts
    except Exception as error:
        out[label] = f"{type(error).__name__}: {error}"

def with_layer(layer, image=start):
    return image.clone(addl_layer=layer)

said("packages", start
    .with_pip_packages("torch", index_url="https://torch.example/whl/cpu")
    .with_commands(["true"])
    .with_apt_packages("git")
    .with_pip_packages("pandas>=2", "flyte>=2 ; os_name == 'posix'", pre=True)
    .with_requirements("reqs.txt", extra_index_urls=["https://more.example/simple"]))
said("pre", start
    .with_pip_packages("a", extra_args="--pre").with_requirements("reqs.txt", pre=True))
said("own", start.with_pip_packages("a", index_url="https://own.example/simple"))
said("mixed", start.with_pip_packages("a").with_requirements("reqs.txt", pre=True))
said("order", start
    .with_env_vars({"HOME_OF": "/srv", "DATA": "${HOME_OF}/data"})
    .with_source_folder(Path("data"), "/srv/data")
    .with_commands(["echo 1"]).with_commands(["echo 2"])
    .with_source_file(Path("notes.txt"), "/srv/data")
    .with_workdir("/srv").with_workdir("below")
    .with_env_vars({"MORE": "$DATA", "NEW": "1"})
    .with_commands(["echo 3"])
    .with_env_vars({"NEW": "2"})
    .with_pip_packages("rich"))
said("variable", start.with_env_vars({"LD": "/x:$LD"}))
said("default", with_layer(CodeBundleLayer(copy_style="all", root_dir=Path("app")), start
    .with_commands([flyte._image._CREATE_FLYTE_USER_CMD]).with_workdir("/home/flyte")
    .with_env_vars({"PATH": "/opt/venv/bin:$PATH"}).with_apt_packages("git")
    .with_source_file(Path("notes.txt"))))
said("after all", with_layer(
    CodeBundleLayer(copy_style="all", root_dir=Path("app"))).with_commands(["true"]))
bundle = CodeBundleLayer(copy_style="loaded_modules", root_dir=Path("app"))
said("after modules", with_layer(bundle).with_commands(["echo much"]))
said("bundle elsewhere", with_layer(
    CodeBundleLayer(copy_style="all", root_dir=Path("app"), dst="/code")))
folder = start.with_source_folder(Path("data"), "/srv/data")
said("ignored", folder.with_dockerignore(Path("logs.dockerignore")))
said("not ignored", folder.with_dockerignore(Path(".dockerignore")))
said("wheels", with_layer(PythonWheels(wheel_dir=Path("wheels").absolute(), package_name="mine")))
toml, lock = Path("app/pyproject.toml"), Path("app/uv.lock")
said("uv", with_layer(UVProject(pyproject=toml, uvlock=lock, extra_args="--extra plot --no-dev")))
installed = UVProject(pyproject=toml, uvlock=lock, project_install_mode="install_project")
said("uv itself", with_layer(installed))
said("uv without", with_layer(UVProject(pyproject=toml, extra_args="--extra=plot")))
said("uv group", with_layer(UVProject(pyproject=toml, extra_args="--group dev")))
said("uv only", with_layer(UVProject(pyproject=toml, uvlock=lock, extra_args="--only-group x")))
poetry = dict(pyproject=toml, poetry_lock=Path("app/poetry.lock"))
said("poetry", with_layer(PoetryProject(**poetry, project_install_mode="install_project")))
said("poetry with", with_layer(PoetryProject(
    **poetry, extra_args="--with dev,docs --extras 'a b' --without test --no-root --only main")))
said("poetry only", with_layer(PoetryProject(**poetry, extra_args="--only dev")))
said("script", with_layer(UVScript(script=Path("script.py"))))
pixi = dict(manifest=Path("pixi/pixi.toml"), pixi_lock=Path("pixi/pixi.lock"))
said("pixi", with_layer(PixiProject(**pixi)))
said("pixi itself", with_layer(PixiProject(**pixi, project_install_mode="install_project")))
said("pixi other", with_layer(PixiProject(**pixi, environment="gpu")))
said("pixi arm", with_layer(PixiProject(**pixi)).clone(platform=("linux/arm64",)))
said("pixi unlocked", with_layer(PixiProject(manifest=Path("pixi/pixi.toml"))))
said("named", Image.from_ref_name("x"))
print(json.dumps(out))
"""

ORDERED = """
import asyncio, json, os, sys
from pathlib import Path
import flyte
from flyte._internal.imagebuild.image_builder import ImageBuildEngine
from imagelock.integrations.flyte import image_spec_of

flyte.init(image_builder="imagelock")
Path("data").mkdir()
Path("data/a.txt").write_text("copied")
image = (
    flyte.Image.from_base("oci:" + sys.argv[1]).clone(name="ordered", extendable=True)
    .with_commands(["mkdir -p /srv/data", "echo made > /srv/data/a.txt"])
    .with_source_folder(Path("data"), "/srv/data")
    .with_commands(["cp /srv/data/a.txt /srv/seen"])
)
uri = asyncio.run(ImageBuildEngine.build(image)).uri
again = asyncio.run(ImageBuildEngine.build(image)).uri
tag = image_spec_of(image).build_order().tag
print(json.dumps({"uri": uri, "again": again, "tag": tag}))
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


def run(python: Path, script: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """What a script with flyte says, in a folder and a store of its own."""
    drop = {"CI", "IMAGELOCK_FROZEN", "_F_IMG_ID"}
    done = subprocess.run(
        [str(python), "-c", script, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name not in drop},
            "IMAGELOCK_STORE": str(folder / "store"),
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_an_image_of_flyte_2_is_built_from_its_lock(python: Path, tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "layout")
    writer.finish([writer.image([tar_of([Entry("etc/os-release", b"ID=small\n")])])])
    said = run(python, SCRIPT, tmp_path)
    assert said["dry"].startswith("two:")
    assert not said["built_by_dry_run"]
    assert re.fullmatch(r"two@sha256:[0-9a-f]{64}", said["uri"])
    assert said["env"]["A"] == "two words"
    assert said["id"]
    assert said["workdir"] == "/srv"
    assert 'packages = ["rich"]' in said["spec"]
    assert 'prerelease = "allow"' in said["spec"]
    assert "a secret of the layer PipPackages" in said["refused"]


@pytest.fixture(scope="module")
def layers(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of images by their labels: specs from the lowest up, or an error's text."""
    return run(python, LAYERS, tmp_path_factory.mktemp("layers"))


def specs(layers: dict[str, Any], label: str) -> list[dict[str, Any]]:
    found = layers[label]
    assert isinstance(found, list), found
    return [tomllib.loads(text) for text in found]


def test_packages_of_all_layers_are_one_set(layers: dict[str, Any]) -> None:
    (spec,) = specs(layers, "packages")
    assert spec["pip"] == {
        "packages": [
            'flyte>=0.dev0,>=2; os_name == "posix"', "pandas>=0.dev0,>=2", "torch",
        ],
        "requirements": ["reqs.txt"],
        "extra-indexes": ["https://torch.example/whl/cpu/", "https://more.example/simple/"],
    }  # fmt: skip
    assert spec["apt"] == {"packages": ["git"]}
    assert spec["run"] == [{"commands": ["true"]}]
    (spec,) = specs(layers, "pre")
    assert spec["pip"]["prerelease"] == "allow"
    (spec,) = specs(layers, "own")
    assert spec["pip"] == {"packages": ["a"], "index": "https://own.example/simple/"}
    assert "pre=True of the layer Requirements beside layers without it" in layers["mixed"]


def test_files_and_commands_keep_their_order(layers: dict[str, Any]) -> None:
    one, two, three = specs(layers, "order")
    assert one["run"] == [{"commands": ["echo 1", "echo 2"]}]
    assert one["copy"] == [{"from": "data", "to": "/srv/data"}]
    assert one["env"] == {"HOME_OF": "/srv", "DATA": "/srv/data"}
    assert one["pip"] == {"packages": ["rich"]}
    assert one["base"] == {"layout": "oci:layout"}
    assert two["base"] == {"spec": "two-1.lock"}
    assert two["copy"] == [{"from": "notes.txt", "to": "/srv/data"}]
    assert two["image"] == {"workdir": "/srv/below"}
    assert two["env"] == {"MORE": "/srv/data", "NEW": "1"}
    assert two["run"] == [{"commands": ["echo 3"]}]
    assert (three["name"], three["base"]) == ("two", {"spec": "two-2.lock"})
    assert three["env"] == {"NEW": "2"}
    assert "the variable LD, which names 'LD' of the base" in layers["variable"]


def test_what_flyte_s_own_images_begin_with_is_one_image(layers: dict[str, Any]) -> None:
    (spec,) = specs(layers, "default")
    assert spec["image"] == {"workdir": "/home/flyte", "user": "flyte"}
    assert "env" not in spec
    assert spec["copy"] == [{"from": "notes.txt", "to": "/home/flyte/"}]
    assert spec["source"]["root"] == "app"


def test_what_cannot_be_above_a_code_bundle_is_named(layers: dict[str, Any]) -> None:
    assert [spec["name"] for spec in specs(layers, "after all")] == ["two-1", "two"]
    assert "Commands ('echo much') above a code bundle of loaded modules" in layers["after modules"]
    assert "a code bundle to '/code'" in layers["bundle elsewhere"]


def test_an_ignore_file_leaves_nothing_out_unsaid(layers: dict[str, Any]) -> None:
    assert "DockerIgnore, which leaves 'debug.log' of the copied folder" in layers["ignored"]
    assert specs(layers, "not ignored")


def test_projects_scripts_and_wheels(layers: dict[str, Any]) -> None:
    (wheels,) = specs(layers, "wheels")
    assert wheels["pip"] == {"packages": ["mine"], "find-links": ["./wheels"]}
    (uv,) = specs(layers, "uv")
    assert uv["pip"] == {"requirements": [{"path": "app/uv.lock", "extras": ["plot"]}]}
    (itself,) = specs(layers, "uv itself")
    assert itself["pip"] == {"packages": ["./app"], "requirements": ["app/uv.lock"]}
    (without,) = specs(layers, "uv without")
    assert without["pip"] == {"packages": ["cycler", "six"]}
    assert "--group of a project without a uv.lock" in layers["uv group"]
    (poetry,) = specs(layers, "poetry")
    assert poetry["pip"] == {"packages": ["./app"], "requirements": ["app/poetry.lock"]}
    (chosen,) = specs(layers, "poetry with")
    assert chosen["pip"]["requirements"] == [
        {"path": "app/poetry.lock", "extras": ["a", "b"], "groups": ["dev", "docs"]}
    ]
    assert "'--only' of the layer PoetryProject" in layers["poetry only"]
    assert "'--only-group' is not supported" in layers["uv only"]
    (script,) = specs(layers, "script")
    assert script["pip"] == {"packages": ["attrs"]}


def test_pixi_s_projects_are_what_their_lock_pins(layers: dict[str, Any]) -> None:
    (pixi,) = specs(layers, "pixi")
    assert pixi["conda"]["packages"] == [f'tzdata ==2024a h0c530f3_0[sha256="{"0a" * 32}"]']
    assert "pip" not in pixi
    (itself,) = specs(layers, "pixi itself")
    assert itself["pip"] == {"packages": ["app @ ./pixi"]}
    assert "the environment 'gpu'" in layers["pixi other"]
    assert "there is default" in layers["pixi other"]
    assert "on linux/arm64, which it does not lock" in layers["pixi arm"]
    assert "PixiProject without a pixi.lock" in layers["pixi unlocked"]
    assert "an image by a reference's name" in layers["named"]


@pytest.mark.root
def test_layers_are_built_in_their_order(
    python: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_root()
    said = run(python, ORDERED, tmp_path, str(minbase_layout()))
    assert re.fullmatch(r"ordered@sha256:[0-9a-f]{64}", said["uri"])
    assert said["again"] == said["uri"]
    assert {path.name for path in tmp_path.glob("*.lock")} == {"ordered.lock", "ordered-1.lock"}
    capfd.readouterr()
    layout = f"oci:{tmp_path}/store/layouts/{said['tag']}"
    env = {"IMAGELOCK_STORE": str(tmp_path / "store")}
    done = call("run", layout, "--", "cat", "/srv/seen", "/srv/data/a.txt", env=env)
    assert done.code == 0, done.err
    assert capfd.readouterr().out == "copiedcopied"
