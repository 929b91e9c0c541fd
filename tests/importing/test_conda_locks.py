"""pixi.lock and conda-lock.yml as specs whose packages are pinned."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from imagelock.app.files import load_lock
from imagelock.fetch.artifacts import ArtifactFetcher
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.archives import artifact_url
from imagelock.model.errors import IntegrityError
from imagelock.model.names import sha256
from support.command import call

FORGE = "https://conda.anaconda.org/conda-forge"
OPENMP = "fbe2c5e56a653bebb982eda4876a9178aedfc2b545f25d0ce9c4c0b508253d22"
ZLIB = "cee16ab07a11303de721915f0a269e8c7a54a5c834aa52f74b1cc3a59000ade8"
SIX = "https://files.pythonhosted.org/packages/aa/six-1.16.0-py2.py3-none-any.whl"
SIX_HASH = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"

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


def imported(folder: Path, name: str, text: str, *options: str) -> tuple[dict[str, Any], str]:
    (folder / name).write_text(text)
    done = call("import", str(folder / name), "-o", str(folder / "image.toml"), *options)
    assert done.code == 0, done.err
    written = (folder / "image.toml").read_text()
    return tomllib.loads(written), written + done.err


def test_pixi(tmp_path: Path) -> None:
    spec, said = imported(tmp_path, "pixi.lock", PIXI)
    assert spec["platforms"] == ["linux/amd64", "linux/arm64"]
    assert spec["conda"]["packages"] == [
        f'_openmp_mutex ==4.5 2_gnu[platform="linux/amd64", sha256="{OPENMP}"]',
        'python ==3.12.4 h194c7f8_0_cpython[platform="linux/amd64"]',
        'python ==3.12.4 hddfb980_0_cpython[platform="linux/arm64"]',
        "tzdata ==2024a h0c530f3_0",
    ]
    assert spec["conda"].get("channels", ["conda-forge"]) == ["conda-forge"]
    assert spec["pip"]["packages"] == [f"six @ {SIX}#sha256={SIX_HASH}"]
    assert "the platform osx-arm64" in said
    assert "the hashes of python, tzdata, which the file does not give" in said


def test_pixi_of_one_platform_has_every_build(tmp_path: Path) -> None:
    start, end = PIXI.index("      linux-aarch64:"), PIXI.index("packages:\n- conda")
    spec, _ = imported(tmp_path, "pixi.lock", PIXI[:start] + PIXI[end:])
    assert spec["conda"]["packages"] == [
        f'_openmp_mutex ==4.5 2_gnu[sha256="{OPENMP}"]',
        "python ==3.12.4 h194c7f8_0_cpython",
        "tzdata ==2024a h0c530f3_0",
    ]


def test_conda_lock(tmp_path: Path) -> None:
    spec, said = imported(tmp_path, "conda-lock.yml", CONDA_LOCK)
    assert spec["conda"] == {
        "packages": [
            f'conda-forge::zlib ==1.3.1 h4ab18f5_1[sha256="{ZLIB}"]',
            "nvidia::cuda-cudart ==12.4.127 0",
        ],
        "channels": ["conda-forge", "nvidia"],
    }
    url = "https://files.pythonhosted.org/packages/aa/rich-13.7.0-py3-none-any.whl"
    assert spec["pip"]["packages"] == [f"rich @ {url}"]
    assert "the category 'dev'" in said
    assert "the hashes of cuda-cudart" in said
    assert "the hashes of rich" in said
    md5 = CONDA_LOCK.replace(f"sha256: {ZLIB}", "md5: 57d7dc60e9325e3de37ff8dffd18e814")
    spec, _ = imported(tmp_path, "conda-lock.yml", md5, "--force")
    assert spec["conda"]["packages"][0] == (
        'conda-forge::zlib ==1.3.1 h4ab18f5_1[md5="57d7dc60e9325e3de37ff8dffd18e814"]'
    )


OLDER = f"""\
version: 5
environments:
  default:
    channels:
    - url: {FORGE}/
    packages:
      linux-64:
      - conda: {FORGE}/noarch/tzdata-2024a-h0c530f3_0.conda
      - pypi: ./my%20tool
      - pypi: git+https://h.example/a/b.git?rev=main&subdirectory=py#{"ab" * 20}
      - pypi: https://h.example/x-1-cp312-cp312-manylinux_2_17_x86_64.whl
        extras: [fast]
      linux-aarch64:
      - conda: {FORGE}/noarch/tzdata-2024a-h0c530f3_0.conda
      - pypi: https://h.example/x-1-cp312-cp312-manylinux_2_17_aarch64.whl
        extras: [fast]
packages:
- kind: conda
  name: tzdata
  url: {FORGE}/noarch/tzdata-2024a-h0c530f3_0.conda
  sha256: {"0A" * 32}
- kind: pypi
  name: tool
  version: '1'
  path: ./my%20tool
  sha256: {"11" * 32}
  editable: true
- kind: pypi
  name: b
  url: git+https://h.example/a/b.git?rev=main&subdirectory=py#{"ab" * 20}
- kind: pypi
  name: x
  url: https://h.example/x-1-cp312-cp312-manylinux_2_17_x86_64.whl
  sha256: {"22" * 32}
- kind: pypi
  name: x
  url: https://h.example/x-1-cp312-cp312-manylinux_2_17_aarch64.whl
  sha256: {"33" * 32}
"""


def test_what_pixi_takes_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    spec, said = imported(tmp_path / "below", "pixi.lock", OLDER)
    assert spec["conda"]["packages"] == [f'tzdata ==2024a h0c530f3_0[sha256="{"0a" * 32}"]']
    amd, arm = ('platform_machine == "x86_64"', 'platform_machine == "aarch64"')
    file = "https://h.example/x-1-cp312-cp312-manylinux_2_17"
    assert spec["pip"]["packages"] == [
        f"b @ git+https://h.example/a/b.git@{'ab' * 20}#subdirectory=py ; {amd}",
        f"tool @ ./my%20tool ; {amd}",
        f"x[fast] @ {file}_aarch64.whl#sha256={'33' * 32} ; {arm}",
        f"x[fast] @ {file}_x86_64.whl#sha256={'22' * 32} ; {amd}",
    ]
    assert "hashes" not in said
    loose = OLDER.replace("#" + "ab" * 20, "")
    spec, said = imported(tmp_path / "below", "pixi.lock", loose, "--force")
    assert spec["pip"]["packages"][0].startswith(
        "b @ git+https://h.example/a/b.git#subdirectory=py"
    )
    assert "the hashes of b," in said


@pytest.mark.network
def test_files_of_pypi_are_locked_by_their_url_and_hash(tmp_path: Path) -> None:
    """Wheels of a project with one for each platform, and one for both."""
    text = PIXI[: PIXI.index("    packages:")] + "    packages:\n"
    known = "packages:\n"
    wanted: dict[str, set[tuple[str, str]]] = {}
    page = Http().get(
        "https://pypi.org/simple/markupsafe/",
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
    )
    files = {item["filename"]: item for item in json.loads(page.body)["files"]}
    for subdir, machine in (("linux-64", "x86_64"), ("linux-aarch64", "aarch64")):
        stem = f"MarkupSafe-2.1.5-cp311-cp311-manylinux_2_17_{machine}.manylinux2014_{machine}.whl"
        item = files[stem]
        text += f"      {subdir}:\n      - pypi: {item['url']}\n"
        digest = item["hashes"]["sha256"]
        known += f"- pypi: {item['url']}\n  name: markupsafe\n  version: 2.1.5\n"
        known += f"  sha256: {digest}\n"
        wanted[machine] = {(item["url"], digest)}
    imported(tmp_path, "pixi.lock", text + known)
    done = call("lock", str(tmp_path / "image.toml"))
    assert done.code == 0, done.err
    lock = load_lock(tmp_path / "image.lock")
    for platform in lock.platforms:
        pins = [pin for pin in lock.pip if platform in pin.platforms]
        found = {(artifact_url(p.artifact, lock.archives), p.artifact.sha256) for p in pins}
        assert found == wanted[platform.machine]
    # A relock keeps each platform's own file; the hash is the lock's, and the file is held to it.
    imported(tmp_path, "pixi.lock", text + known.replace(digest, "0" * 64), "--force")
    again = call("lock", str(tmp_path / "image.toml"))
    assert again.code == 0, again.err
    changed = load_lock(tmp_path / "image.lock")
    artifacts = {pin.artifact.sha256: pin.artifact for pin in changed.pip}
    assert artifacts.keys() == {pin.artifact.sha256 for pin in lock.pip} - {digest} | {"0" * 64}
    with pytest.raises(IntegrityError, match="expected sha256 0000"):
        ArtifactFetcher(Store(tmp_path / "store"), Http()).fetch(
            [artifacts[sha256("0" * 64)]], changed.archives
        )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pixi.lock", PIXI.replace("version: 6", "version: 9"), "version 4, 5 or 6"),
        ("pixi.lock", "version: 6\nenvironments: []\npackages: []\n", "expected a table"),
        ("pixi.lock", PIXI.replace("osx-arm64:\n", "osx-arm64: nope\n      x:\n"), "a list"),
        (
            "pixi.lock",
            PIXI.replace("      - pypi:", "      - 7\n      - pypi:"),
            "a table for each",
        ),
        ("pixi.lock", PIXI.replace(OPENMP, "abc"), "expected 64 hex digits for sha256"),
        ("pixi.lock", PIXI.replace("  name: six\n", ""), "has no name"),
        ("conda-lock.yml", CONDA_LOCK.replace(ZLIB, ZLIB + "\\n"), "64 hex digits"),
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
        ("https://files.pyth", "https://user:{secret}@files.pyth"),
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
