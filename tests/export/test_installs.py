"""What is exported installs, by uv and by pip: real packages, real hashes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imagelock.lock import decode_lock
from imagelock.lock.export import export_pylock, export_requirements
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from support.command import call

pytestmark = pytest.mark.network

AMD64 = Platform("linux/amd64")
ARM64 = Platform("linux/arm64")
UV_NAMES = {AMD64: "x86_64-manylinux_2_36", ARM64: "aarch64-manylinux_2_36"}


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    folder = tmp_path_factory.mktemp("locked")
    (folder / "image.toml").write_text(
        'platforms = ["linux/amd64", "linux/arm64"]\n[base]\ndistribution = "debian:bookworm"\n'
        "[pip]\npackages = ['flask<3.1', 'colorama; platform_machine == \"aarch64\"',"
        " 'markupsafe==2.1.5; platform_machine == \"aarch64\"',"
        " 'markupsafe==3.0.2; platform_machine != \"aarch64\"']\n"
    )
    called = call("lock", str(folder / "image.toml"))
    assert called.code == 0, called.err
    return decode_lock((folder / "image.lock").read_bytes(), source="image.lock")


def pins(lock: Lock, platform: Platform) -> set[str]:
    return {f"{pin.name}=={pin.version}" for pin in lock.pip if platform in pin.platforms}


def uv_installs(file: Path, platform: Platform, *options: str) -> set[str]:
    """What uv would install into an empty folder."""
    target = file.parent / f"target-{platform.architecture}"
    command = ["uv", "pip", "install", "--dry-run", "--no-config", "--target", str(target)]
    command += ["--python", sys.executable, "--python-version", "3.11.2", *options]
    command += ["--python-platform", UV_NAMES[platform], "-r", str(file)]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^ \+ (\S+)", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("platform", UV_NAMES)
def test_uv_installs_a_pylock(lock: Lock, platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "pylock.toml"
    file.write_text(export_pylock(lock))
    assert uv_installs(file, platform) == pins(lock, platform)


@pytest.mark.parametrize("platform", UV_NAMES)
def test_uv_installs_requirements(lock: Lock, platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(export_requirements(lock))
    assert uv_installs(file, platform, "--require-hashes") == pins(lock, platform)
    file.write_text(export_requirements(lock, platform))
    assert uv_installs(file, platform, "--require-hashes") == pins(lock, platform)


def test_the_example_says_different_things_of_platforms(lock: Lock) -> None:
    assert {"markupsafe==2.1.5", "colorama==0.4.6"} <= pins(lock, ARM64) - pins(lock, AMD64)
