"""The digest of the hello lock on other hosts, cores and days, from artifacts alone."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from acceptance.conftest import HOST, Build, run_build, store_with_artifacts_alone
from support.engine import missing
from support.later import library
from support.registry import needs
from support.trixie import SHARED
from support.trixie_host import install_wheel, run_on_trixie

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.slow]


@pytest.mark.parametrize("cores", ["0", "0,1"])
def test_on_one_core_and_on_two(hello: Build, hello_lock: Path, tmp_path: Path, cores: str) -> None:
    needs("taskset")
    again = run_build(
        hello_lock,
        tmp_path / "image",
        store=store_with_artifacts_alone(hello_lock, tmp_path / "store"),
        offline=True,
        program=("taskset", "--cpu-list", cores, sys.executable, "-m", "imagelock"),
    )
    assert_same(again, hello)


def test_a_year_later(hello: Build, hello_lock: Path, tmp_path: Path) -> None:
    if library() is None:
        missing("libfaketime is not installed")
    tests = Path(__file__).parents[1]
    again = run_build(
        hello_lock,
        tmp_path / "image",
        store=store_with_artifacts_alone(hello_lock, tmp_path / "store"),
        offline=True,
        environment={"PYTHONPATH": str(tests)},
        program=(sys.executable, "-m", "support.later"),
    )
    assert_same(again, hello)


def test_on_debian_trixie_from_the_wheel(hello: Build, hello_lock: Path, tmp_path: Path) -> None:
    """Another Debian's kernel interface is ours; its Python, libraries and programs are not."""
    shutil.copy(hello_lock, tmp_path / "hello.lock")
    shutil.copytree(hello_lock.parent / "hello", tmp_path / "hello")
    store_with_artifacts_alone(hello_lock, tmp_path / "store")
    install_wheel(tmp_path)
    version = run_on_trixie(tmp_path, ["python3", "-c", "import sys; print(sys.version)"])
    assert version.startswith("3.13")
    said = run_on_trixie(
        tmp_path,
        [
            *("python3", "-m", "imagelock", "build", "hello.lock", "--platform", HOST),
            *("--output", "oci:image", "--json", "--offline"),
        ],
        IMAGELOCK_STORE=f"{SHARED}/store",
    )
    assert_same(Build(layout=tmp_path / "image", report=json.loads(said)), hello)


def assert_same(again: Build, hello: Build) -> None:
    assert not any(layer["cached"] for layer in again.report["images"][0]["layers"])
    assert again.manifest_digest == hello.manifest_digest
    assert again.report["images"][0]["image_id"] == hello.report["images"][0]["image_id"]
