"""The hello image, built once a run from the committed lock."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagelock.app.files import load_lock
from imagelock.fetch.store import Store, file_chunks
from support.command import kept_folder

REPOSITORY = Path(__file__).parents[2]
LOCKS = REPOSITORY / "locks"
HOST = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build by a process of its own: where it went, and what it reported."""

    layout: Path
    report: dict[str, Any]

    @property
    def manifest_digest(self) -> str:
        return str(self.report["images"][0]["manifest_digest"])


def run_build(
    lock: Path,
    layout: Path,
    *,
    store: Path,
    cwd: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
    umask: int = 0o022,
    offline: bool = False,
    program: Sequence[str] = (sys.executable, "-m", "imagelock"),
) -> Build:
    """``imagelock build`` for this machine's platform; the test fails with its words."""
    done = subprocess.run(
        [
            *(*program, "build", str(lock), "--platform", HOST),
            *("--output", f"oci:{layout}", "--json"),
            *(("--offline",) if offline else ()),
        ],
        cwd=cwd,
        env={**os.environ, "IMAGELOCK_STORE": str(store), **(environment or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Build(layout=layout, report=json.loads(done.stdout))


@pytest.fixture(scope="session")
def hello_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed lock; where its files have left the archives, one of today, said aloud."""
    store = kept_folder() / "store"
    fetched = _fetch(LOCKS / "hello.lock", store)
    if fetched.returncode == 0:
        return LOCKS / "hello.lock"
    assert fetched.returncode == 4, fetched.stderr
    print(
        f"\nlocks/hello.lock cannot be fetched any more, locking anew:\n{fetched.stderr}",
        file=sys.__stderr__,
    )
    folder = tmp_path_factory.mktemp("hello")
    shutil.copy(LOCKS / "hello.toml", folder)
    shutil.copytree(LOCKS / "hello", folder / "hello")
    locked = _call("lock", str(folder / "hello.toml"), store=store)
    assert locked.returncode == 0, locked.stderr
    return folder / "hello.lock"


@pytest.fixture(scope="session")
def hello(hello_lock: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    layout = tmp_path_factory.mktemp("image") / "hello"
    return run_build(hello_lock, layout, store=kept_folder() / "store")


def store_with_artifacts_alone(lock: Path, folder: Path) -> Path:
    """Another store that holds the downloads of a lock, and nothing that was built."""
    kept, other = Store(kept_folder() / "store"), Store(folder)
    held = load_lock(lock)
    artifacts = [pin.artifact for pin in held.apt] + [pin.artifact for pin in held.pip]
    for artifact in artifacts:
        path = kept.find(artifact.sha256)
        if path is not None:
            with path.open("rb") as file:
                other.add(file_chunks(file), expected=artifact.sha256)
    return folder


def _fetch(lock: Path, store: Path) -> subprocess.CompletedProcess[str]:
    return _call("fetch", str(lock), "--platform", HOST, store=store)


def _call(*arguments: str, store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagelock", *arguments],
        env={**os.environ, "IMAGELOCK_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
