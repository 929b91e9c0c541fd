"""Modules that hold ImageSpecs: run elsewhere, read as data."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from support.command import call

MODULE = """\
from flytekit import ImageSpec, task, workflow
from flytekit.constants import CopyFileDetection

base = ImageSpec(name="base", apt_packages=["git"])
image = ImageSpec(name="train", packages=["numpy"], base_image=base).with_packages("pandas")
image = image.with_commands(["echo hi"])
print("modules may print")


@task(container_image=ImageSpec(name="inline", env={"A": "b c"}))
def train(n: int = 1) -> int:
    return n


@workflow
def main() -> int:
    return train(n=3)
"""


NONSENSE = """\
import json, os, sys
open(json.loads(sys.argv[1])["answer"], "w").write("x")
os._exit(0)
"""


@pytest.fixture(params=["flytekit", "stand-in"])
def python(request: pytest.FixtureRequest, bare_python: str) -> str:
    """An interpreter with flytekit, and one without."""
    return sys.executable if request.param == "flytekit" else bare_python


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """An interpreter that has nothing installed."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {Path(sys.executable).resolve()} -S -E "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_the_specs_of_a_module(tmp_path: Path, python: str) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "wf.py").write_text(MODULE)
    done = call("import", str(folder / "wf.py"), "--python", python)
    assert done.code == 0, done.err
    written = {path.name: path.read_text() for path in sorted(folder.glob("*.toml"))}
    assert written == snapshot(
        {
            "base.toml": """\
name = "base"

[base]
distribution = "debian:bookworm"

[apt]
packages = ["git"]
""",
            "image.toml": """\
name = "train"

[base]
spec = "base.toml"

[pip]
packages = [
  "numpy",
  "pandas",
]

[[run]]
commands = ["echo hi"]
""",
            "train.toml": """\
name = "inline"

[base]
distribution = "debian:bookworm"

[env]
A = "b c"
""",
        }
    )


def test_one_of_several(tmp_path: Path, bare_python: str) -> None:
    (tmp_path / "wf.py").write_text(MODULE)
    output = tmp_path / "chosen.toml"
    ask = ("import", str(tmp_path / "wf.py"), "-o", str(output), "--python", bare_python)
    several = call(*ask)
    assert several.code == 2
    assert "--spec" in several.err
    done = call(*ask, "--spec", "image")
    assert done.code == 0, done.err
    assert 'spec = "base.toml"' in output.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "the module failed: SystemExit: 3"),
        ("import os; os._exit(7)", "ended with code 7"),
        ("import there_is_no_such_module", "No module named"),
        ("x = 1", "holds no ImageSpec"),
        ("def broken(:", "SyntaxError"),
        ("from flytekit import ImageSpec\ni = ImageSpec(platform=3)", "a field has a wrong type"),
        ("from flytekit import ImageSpec\ni = ImageSpec(copy=[3])", "a field has a wrong type"),
        ("from flytekit import ImageSpec\ni = ImageSpec(env={'A': 1})", "expected a string"),
        ("from flytekit import ImageSpec\ni = ImageSpec(packages=3)", "expected an array"),
        (
            NONSENSE,
            "cannot be read",
        ),
    ],
)
def test_modules_that_fail(tmp_path: Path, bare_python: str, text: str, said: str) -> None:
    (tmp_path / "wf.py").write_text(text)
    done = call("import", str(tmp_path / "wf.py"), "--python", bare_python)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_module_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    (tmp_path / "wf.py").write_text(
        "import subprocess, time\n"
        f"subprocess.Popen(['sh', '-c', 'sleep 3; touch {mark}'])\n"
        "time.sleep(60)\n"
    )
    done = call("import", str(tmp_path / "wf.py"), "--timeout", "1.5")
    assert done.code == 2
    assert "longer than 1.5 seconds" in done.err
    time.sleep(3)
    assert not mark.exists()


def test_it_does_not_run_in_our_process(tmp_path: Path, bare_python: str) -> None:
    (tmp_path / "wf_elsewhere.py").write_text(
        "import sys\nsys.modules['marked_by_wf'] = sys\nfrom flytekit import ImageSpec\n"
        "i = ImageSpec()\n"
    )
    module = str(tmp_path / "wf_elsewhere.py")
    assert call("import", module, "--python", bare_python).code == 0
    assert "marked_by_wf" not in sys.modules
    assert "wf_elsewhere" not in sys.modules
