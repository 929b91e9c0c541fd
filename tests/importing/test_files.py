"""Files of other tools as specs: what is carried over, and what is said not to be."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from imagelock.app.importing.yaml_text import yaml_table
from imagelock.model.errors import UsageError
from support.command import call


def imported(folder: Path, name: str, text: str, *options: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    done = call("import", str(folder / name), *options)
    assert done.code == 0, done.err
    return (folder / "image.toml").read_text(encoding="utf-8")


def refused(folder: Path, name: str, text: str, *options: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    before = sorted(folder.iterdir())
    done = call("import", str(folder / name), *options)
    assert done.code == 2, done.out
    assert sorted(folder.iterdir()) == before, "nothing is written when something is wrong"
    return done.err.replace(str(folder), ".")


def test_a_requirements_file_is_named_not_copied(tmp_path: Path) -> None:
    folder = tmp_path / "Trainer"
    folder.mkdir()
    (folder / "more.txt").write_text("rich\n")
    text = imported(folder, "requirements.txt", "numpy>=2\n-r more.txt\n")
    assert text == snapshot("""\
name = "trainer"

[base]
distribution = "debian:bookworm"

[pip]
requirements = ["requirements.txt"]
""")


def test_paths_are_relative_to_the_spec(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "requirements.txt").write_text("numpy\n")
    output = tmp_path / "specs" / "a.toml"
    done = call("import", str(tmp_path / "requirements.txt"), "-o", str(output))
    assert done.code == 0, done.err
    assert 'requirements = ["../requirements.txt"]' in output.read_text()
    assert call("lock", "--check", str(output)).code == 1, "it is read as a spec; there is no lock"


def test_what_is_wrong_in_a_requirements_file_is_said_before_anything_is_written(
    tmp_path: Path,
) -> None:
    said = refused(tmp_path, "requirements.txt", "numpy\na b c\n")
    assert "./requirements.txt:2:1: expected a requirement" in said


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text("mine")
    assert "--force" in refused(tmp_path, "requirements.txt", "numpy\n")
    assert (tmp_path / "image.toml").read_text() == "mine"
    assert imported(tmp_path, "requirements.txt", "numpy\n", "--force").startswith("name = ")


ENVIRONMENT = """\
name: Train_1
channels: [conda-forge, nvidia, nodefaults]
dependencies:
  - python=3.10
  - numpy  >=1.26
  - pip
  - pip:
      - rich>=13
      - -r requirements.txt
      - --trusted-host example
prefix: /home/me/envs/train
variables:
  MODE: no
"""


def test_environment_yml(tmp_path: Path) -> None:
    assert imported(tmp_path, "environment.yml", ENVIRONMENT) == snapshot("""\
# not carried over: prefix: where the environment is on a machine
# not carried over: pip's option --trusted-host
name = "train-1"
python = "3.10"

[base]
distribution = "debian:bookworm"

[pip]
packages = ["rich>=13"]
requirements = ["requirements.txt"]

[conda]
packages = [
  "numpy >=1.26",
  "pip",
]
channels = [
  "conda-forge",
  "nvidia",
]

[env]
MODE = "no"
""")


IMAGE_SPEC = """\
name: Trainer
python_version: 3.10
builder: default
registry: GHCR.io/acme
packages: [pandas, numpy>=2]
conda_channels: [nvidia]
conda_packages: [cuda-nvcc]
apt_packages: [git]
cuda: 12.4
requirements: reqs.txt
platform: linux/arm64
env: {GREETING: hello world, DEBUG: 1}
entrypoint: []
commands: [echo hi]
copy: [conf/app.ini]
pip_index: https://index.example/simple
pip_extra_args: --pre --extra-index-url https://more.example/simple
runtime_packages: [ipdb]
source_root: src
source_copy_mode: ALL
tag_format: "{spec_hash}-dev"
"""


def test_image_spec_yaml(tmp_path: Path) -> None:
    assert imported(tmp_path, "image.yaml", IMAGE_SPEC) == snapshot("""\
# not carried over: runtime_packages: pip installs them when a task starts, unpinned
#: runtime-packages = ["ipdb"]
name = "trainer"
python = "3.10"
platforms = ["linux/arm64"]
registry = "ghcr.io/acme"
tag-format = "{spec_hash}-dev"

[base]
distribution = "debian:bookworm"

[pip]
packages = [
  "numpy>=2",
  "pandas",
]
requirements = ["reqs.txt"]
index = "https://index.example/simple/"
extra-indexes = ["https://more.example/simple/"]
prerelease = "allow"

[apt]
packages = ["git"]

[conda]
packages = ["cuda-nvcc"]
channels = [
  "conda-forge",
  "nvidia",
]

[gpu]
cuda = "12.4"

[env]
DEBUG = "1"
GREETING = "hello world"

[image]
entrypoint = []

[[copy]]
from = "conf/app.ini"
to = "/root/conf/app.ini"

[source]
root = "src"

[[run]]
commands = ["echo hi"]
""")


def test_an_image_spec_that_installs_its_project(tmp_path: Path) -> None:
    text = imported(tmp_path, "image.yaml", "packages: [a]\ninstall_project: true\n")
    assert tomllib.loads(text)["pip"]["packages"] == ["./", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages: numpy\nboth: 1\n", "both: ImageSpec has no such field"),
        ("packages: [{a: 1}]\n", "packages: expected a list of strings"),
        ("packages: [a, &x b, *x]\n", "no alias"),
        ("packages: [\n", "not valid YAML"),
        ("packages: ['a b']\n", "expected a requirement"),
        ("name: a\ncopy: [/etc/passwd]\n", "without '..'"),
        ("name: a\npip_extra_args: --no-deps\n", "'--no-deps' is not supported"),
    ],
)
def test_wrong_image_specs(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, "image.yaml", text)


@pytest.mark.parametrize("name", ["notes.md", "data.yaml", "archive.bin"])
def test_files_that_no_reader_takes(tmp_path: Path, name: str) -> None:
    assert "no file that can be imported" in refused(tmp_path, name, "hello: world\n")


CANARY = "s3cr3t-canary"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image.yaml", f"pip_index: https://me:{CANARY}@index.example/simple\n"),
        ("image.yaml", f"pip_extra_index_url: ['https://me:{CANARY}@index.example/simple']\n"),
        ("image.yaml", f"pip_extra_args: --index-url https://me:{CANARY}@index.example/\n"),
        ("image.yaml", f"pip_extra_args: --token={CANARY}\n"),
        ("requirements.txt", f"--index-url https://me:{CANARY}@index.example/simple\n"),
    ],
)
def test_credentials_are_refused_and_not_shown(tmp_path: Path, name: str, text: str) -> None:
    assert CANARY not in refused(tmp_path, name, text)


@given(st.text(alphabet="abc:-[]{}&*#!|> \n'\"", max_size=60))
def test_no_text_gets_anything_but_a_usage_error_out_of_yaml(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(yaml_table(text, where="x.yaml"), dict)
