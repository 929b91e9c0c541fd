"""A flytekit task whose image is our ImageSpec: registered, built, pushed, pulled, and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import imagelock
from support.command import kept_folder
from support.engine import running_engine
from support.registry import running_registry

pytestmark = [
    pytest.mark.network,
    pytest.mark.engine,
    pytest.mark.registry,
    pytest.mark.root,
]

WORKFLOW = """
import os
from imagelock import ImageSpec
from flytekit import task

image = ImageSpec(
    name="flyte-task",
    packages=["packaging"],
    registry=os.environ.get("TEST_REGISTRY"),
    copy=["imagelock"],  # no index has it yet; PYTHONPATH is /root
    env={"GREETING": "hello from the lock"},
)
other = ImageSpec(name="other", packages=["rich"])
OUTSIDE = image.is_container()


@task(container_image=image)
def where(n: int) -> str:
    return f"{n + 1} {image.is_container()} {other.is_container()} {os.environ['GREETING']}"
"""

REGISTER = """
import json, os
from flytekit.configuration import ImageConfig, SerializationSettings
import workflow
settings = SerializationSettings(
    image_config=ImageConfig.auto_default_image(), source_root=os.getcwd(),
    version="v", project="p", domain="d",
)
container = workflow.where.get_container(settings)
print(json.dumps({"image": container.image, "args": container.args, "outside": workflow.OUTSIDE}))
"""

WRITE = """
import sys
from flytekit.models.literals import Literal, LiteralMap, Primitive, Scalar
n = Literal(scalar=Scalar(primitive=Primitive(integer=41)))
data = LiteralMap({"n": n}).to_flyte_idl().SerializeToString()
open(sys.argv[1], "wb").write(data)
"""

READ = """
import sys
from flyteidl.core.literals_pb2 import LiteralMap
found = LiteralMap.FromString(open(sys.argv[1], "rb").read())
print(found.literals["o0"].scalar.primitive.string_value)
"""


def python(script: str, *arguments: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env={**os.environ, "IMAGELOCK_STORE": str(kept_folder() / "store"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_task_runs_in_the_image_that_its_lock_says(tmp_path: Path) -> None:
    project = tmp_path / "project"
    source = Path(imagelock.__file__).parent
    shutil.copytree(source, project / "imagelock", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "workflow.py").write_text(WORKFLOW)
    files = tmp_path / "io"
    files.mkdir()
    with running_registry(tmp_path / "registry") as registry, running_engine() as engine:
        environment = {
            "TEST_REGISTRY": registry.host,
            "PYTHONPATH": str(project),
            "IMAGELOCK_FROZEN": "0",
        }
        printed = python(REGISTER, cwd=project, **environment)
        said: dict[str, Any] = json.loads(printed.splitlines()[-1])
        assert said["outside"] is False
        assert said["image"].startswith(f"{registry.host}/flyte-task@sha256:")
        # What a developer committed is what CI registers, from the registry.
        environment |= {"IMAGELOCK_FROZEN": "1"}
        again = json.loads(python(REGISTER, cwd=project, **environment).splitlines()[-1])
        assert again == said
        python(WRITE, str(files / "inputs.pb"), cwd=tmp_path)
        engine.docker("pull", "--quiet", said["image"])
        paths = {
            "{{.input}}": "/io/inputs.pb",
            "{{.outputPrefix}}": "/io/out",
            "{{.rawOutputDataPrefix}}": "/io/raw",
            "{{.checkpointOutputPrefix}}": "/io/checkpoint",
            "{{.prevCheckpointPrefix}}": "",
        }
        arguments = [paths.get(word, word) for word in said["args"]]
        assert arguments[0] == "pyflyte-execute"
        ran = engine.docker(
            *("run", "--rm", "--network", "none", "--volume", f"{files}:/io", said["image"]),
            *arguments,
        )
    outputs = files / "out" / "outputs.pb"
    assert outputs.exists(), ran.stdout + ran.stderr
    assert python(READ, str(outputs), cwd=tmp_path).strip() == "42 True False hello from the lock"
