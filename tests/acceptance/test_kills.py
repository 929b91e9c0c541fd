"""Builds killed (SIGKILL) at random moments: nothing stays that the next build does not clean."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.command import call, kept_folder
from support.minbase import minbase_layout
from support.processes import PATIENCE

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.slow]

SPEC = """
name = "killed"
[base]
layout = "oci:base"
[apt]
packages = ["hello", "zip"]
[pip]
packages = ["idna"]
[[copy]]
from = "data"
to = "/srv/"
[[run]]
commands = ["for i in $(seq 200); do echo $i > /etc/killed.$i; done"]
"""
RUN = [sys.executable, "-c", "import sys; from imagelock.cli import main; sys.exit(main())"]
KILLS = 100


def linked(source: Path, target: Path) -> None:
    """A store with the same artifacts, which gets layers, records and trees of its own."""
    shutil.copytree(source / "sha256", target / "sha256", copy_function=os.link)


def processes_of(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"IMAGELOCK_STORE={mark}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def digest_of(spec: Path, store: Path) -> str:
    called = call("build", str(spec), "--offline", "--json", env={"IMAGELOCK_STORE": str(store)})
    assert called.code == 0, called.err
    found: str = json.loads(called.out)["index_digest"]
    return found


def test_a_hundred_kills(tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(minbase_layout())
    (tmp_path / "data").write_bytes(bytes(range(256)) * 8_000)
    spec = tmp_path / "killed.toml"
    spec.write_text(SPEC)
    kept = {"IMAGELOCK_STORE": str(kept_folder() / "store")}
    assert call("lock", str(spec), env=kept).code == 0
    assert call("fetch", str(spec), env=kept).code == 0
    clean, store = tmp_path / "clean", tmp_path / "store"
    for folder in (clean, store):
        linked(kept_folder() / "store", folder)
    expected = digest_of(spec, clean)
    started = time.monotonic()
    assert digest_of(spec, store) == expected
    whole = time.monotonic() - started
    dice = random.Random(7)  # noqa: S311 - moments, not secrets
    finished = 0
    for _ in range(KILLS):
        # What was made is there to be made again.
        shutil.rmtree(store / "records", ignore_errors=True)
        build = subprocess.Popen(
            [*RUN, "build", str(spec), "--offline", "--output", f"oci:{tmp_path}/out"],
            env=os.environ | {"IMAGELOCK_STORE": str(store)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.1, 1.1) * whole)
        build.send_signal(signal.SIGKILL)
        finished += build.wait() == 0
    assert finished < KILLS / 2, "the kills came too late to interrupt anything"
    deadline = time.monotonic() + PATIENCE
    while processes_of(str(store)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(str(store)) == []
    assert str(store) not in Path("/proc/self/mountinfo").read_text()
    # The next build is right, whatever lies there, and what lay there goes.
    assert digest_of(spec, store) == expected
    called = call("store", "verify", env={"IMAGELOCK_STORE": str(store)})
    assert called.code == 0, called.err
    assert call("store", "gc", env={"IMAGELOCK_STORE": str(store)}).code == 0
    assert list((store / "tmp").glob("*")) == []
    assert list((store / "trees").glob("*/tmp.*")) == []
    index = tmp_path / "out" / "index.json"
    assert not index.exists() or json.loads(index.read_text())["manifests"][0]["digest"] == expected
