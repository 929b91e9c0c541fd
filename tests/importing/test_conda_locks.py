"""pixi.lock and conda-lock.yml as specs whose packages are pinned."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.command import call

FORGE = "https://conda.anaconda.org/conda-forge"

PIXI = f"""\
version: 6
environments:
  default:
    channels:
    - url: {FORGE}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {FORGE}/linux-64/_openmp_mutex-4.5-2_gnu.tar.bz2
      - conda: {FORGE}/linux-64/python-3.12.4-h194c7f8_0_cpython.conda
      - conda: {FORGE}/noarch/tzdata-2024a-h0c530f3_0.conda
      - pypi: https://files.pythonhosted.org/packages/aa/six-1.16.0-py2.py3-none-any.whl
      linux-aarch64:
      - conda: {FORGE}/linux-aarch64/python-3.12.4-hddfb980_0_cpython.conda
      - conda: {FORGE}/noarch/tzdata-2024a-h0c530f3_0.conda
      - pypi: https://files.pythonhosted.org/packages/aa/six-1.16.0-py2.py3-none-any.whl
      osx-arm64:
      - conda: {FORGE}/osx-arm64/python-3.12.4-h30c5eda_0_cpython.conda
packages:
- conda: {FORGE}/linux-64/_openmp_mutex-4.5-2_gnu.tar.bz2
  sha256: fbe2c5e56a653bebb982eda4876a9178aedfc2b545f25d0ce9c4c0b508253d22
  md5: 73aaf86a425cc6e73fcf236a5a46396d
- pypi: https://files.pythonhosted.org/packages/aa/six-1.16.0-py2.py3-none-any.whl
  name: six
  version: 1.16.0
  sha256: 8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254
"""

CONDA_LOCK = f"""\
version: 1
metadata:
  content_hash:
    linux-64: 0123
  channels:
  - url: conda-forge
    used_env_vars: []
  - url: https://conda.anaconda.org/nvidia
    used_env_vars: []
  platforms:
  - linux-64
  sources:
  - environment.yml
package:
- name: zlib
  version: 1.3.1
  manager: conda
  platform: linux-64
  dependencies:
    libgcc-ng: '>=12'
  url: {FORGE}/linux-64/zlib-1.3.1-h4ab18f5_1.conda
  hash:
    sha256: cee16ab07a11303de721915f0a269e8c7a54a5c834aa52f74b1cc3a59000ade8
  category: main
  optional: false
- name: cuda-cudart
  version: 12.4.127
  manager: conda
  platform: linux-64
  dependencies: {{}}
  url: https://conda.anaconda.org/nvidia/linux-64/cuda-cudart-12.4.127-0.tar.bz2
  category: main
  optional: false
- name: pytest
  version: 8.0.0
  manager: conda
  platform: linux-64
  dependencies: {{}}
  url: {FORGE}/noarch/pytest-8.0.0-pyhd8ed1ab_0.conda
  category: dev
  optional: true
- name: rich
  version: 13.7.0
  manager: pip
  platform: linux-64
  dependencies: {{}}
  url: https://files.pythonhosted.org/packages/aa/rich-13.7.0-py3-none-any.whl
  category: main
  optional: false
"""


def imported(folder: Path, name: str, text: str) -> tuple[dict[str, Any], str]:
    (folder / name).write_text(text)
    done = call("import", str(folder / name), "-o", str(folder / "image.toml"))
    assert done.code == 0, done.err
    written = (folder / "image.toml").read_text()
    return tomllib.loads(written), written + done.err


def test_pixi(tmp_path: Path) -> None:
    spec, said = imported(tmp_path, "pixi.lock", PIXI)
    assert spec["platforms"] == ["linux/amd64", "linux/arm64"]
    assert spec["conda"]["packages"] == ["python ==3.12.4", "tzdata ==2024a h0c530f3_0"]
    assert spec["conda"].get("channels", ["conda-forge"]) == ["conda-forge"]
    assert spec["pip"]["packages"] == ["six==1.16.0"]
    assert "the platform osx-arm64" in said
    assert "what linux-64 alone has: _openmp_mutex" in said


def test_pixi_of_one_platform_has_every_build(tmp_path: Path) -> None:
    start, end = PIXI.index("      linux-aarch64:"), PIXI.index("packages:\n- conda")
    spec, _ = imported(tmp_path, "pixi.lock", PIXI[:start] + PIXI[end:])
    assert spec["conda"]["packages"] == [
        "_openmp_mutex ==4.5 2_gnu",
        "python ==3.12.4 h194c7f8_0_cpython",
        "tzdata ==2024a h0c530f3_0",
    ]


def test_conda_lock(tmp_path: Path) -> None:
    spec, said = imported(tmp_path, "conda-lock.yml", CONDA_LOCK)
    assert spec["conda"] == {
        "packages": [
            "conda-forge::zlib ==1.3.1 h4ab18f5_1",
            "nvidia::cuda-cudart ==12.4.127 0",
        ],
        "channels": ["conda-forge", "nvidia"],
    }
    assert spec["pip"]["packages"] == ["rich==13.7.0"]
    assert "the category 'dev'" in said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pixi.lock", PIXI.replace("version: 6", "version: 9"), "version 4, 5 or 6"),
        ("pixi.lock", "version: 6\nenvironments: []\npackages: []\n", "expected a table"),
        ("pixi.lock", PIXI.replace("linux-", "osx-"), "a Linux platform"),
        ("pixi.lock", PIXI.replace(f"{FORGE}/noarch/tzdata", "./local/tzdata"), "conda package"),
        ("conda-lock.yml", CONDA_LOCK.replace("version: 1\n", "version: 7\n", 1), "of version 1"),
    ],
)
def test_what_cannot_be_taken_over(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    done = call("import", str(tmp_path / name), "-o", str(tmp_path / "image.toml"))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "image.toml").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{FORGE}/linux-64", "https://user:{secret}@h/c/linux-64"),
        (f"{FORGE}/linux-64", "https://h/t/{secret}/c/linux-64"),
        ("- url: conda-forge", "- url: https://h/t/{secret}/c"),
        ("- url: conda-forge", "- url: https://user:{secret}@h/c"),
    ],
)
def test_a_secret_in_a_url_is_never_shown(tmp_path: Path, old: str, new: str) -> None:
    secret = "tk-hunter2-secret"
    text = CONDA_LOCK.replace(old, new.format(secret=secret))
    (tmp_path / "conda-lock.yml").write_text(text)
    done = call("import", str(tmp_path / "conda-lock.yml"), "-o", str(tmp_path / "image.toml"))
    assert done.code == 2, done.out
    assert secret not in done.err + done.out
    assert not (tmp_path / "image.toml").exists()
