"""What killed builds leave behind in the sandbox: nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagelock.build.oci.sandbox import open_sandbox
from support.processes import PATIENCE
from support.sandboxes import linked_trees, script

pytestmark = [pytest.mark.root]


def mounts_and_processes(mark: str) -> tuple[int, int]:
    mounts = sum(mark in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
    processes = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            processes += mark.encode() in path.read_bytes()
        except OSError:
            continue
    return mounts, processes


def killed_at_random(folder: Path, lower: str, rounds: int) -> None:
    """Kill a build in a sandbox at random moments; the next run cleans up and works."""
    dice = random.Random(5)  # noqa: S311 — moments, not secrets
    command = "for i in $(seq 300); do echo $i > /etc/$i; rm -f /etc/motd; done; sleep 7.0625"
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", script(), str(folder), lower, command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.05, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + PATIENCE
    while mounts_and_processes("7.0625")[1] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mounts_and_processes("7.0625")[1] == 0
    assert mounts_and_processes(str(folder))[0] == 0
    with open_sandbox(folder) as sandbox:
        pass
    assert not list(sandbox.trees.glob("tmp.*"))


def test_killed_builds_leave_nothing(tmp_path: Path, site_layers: tuple[str, ...]) -> None:
    linked_trees(tmp_path, site_layers)
    killed_at_random(tmp_path, ",".join(site_layers), 4)


@pytest.mark.slow
def test_a_hundred_killed_builds_leave_nothing(
    tmp_path: Path, site_layers: tuple[str, ...]
) -> None:
    linked_trees(tmp_path, site_layers)
    killed_at_random(tmp_path, ",".join(site_layers), 100)
