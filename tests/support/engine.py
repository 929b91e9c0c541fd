"""A real Docker engine on a socket of its own, started and stopped by the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_SECONDS = 60


def missing(what: str) -> None:
    """Skip where a person runs the tests without a real part; fail in CI, where it must be."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: needed in CI; tests/install-debian-packages.sh installs it")
    pytest.skip(what)


def run_program(
    *command: str, environment: Mapping[str, str], check: bool
) -> subprocess.CompletedProcess[str]:
    """Run a program of an engine, with what leads it there."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


class Engine:
    """A running engine; :meth:`docker` is the command line against it, with ``environment``."""

    def __init__(self, socket: Path) -> None:
        self.host = f"unix://{socket}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "DOCKER_HOST": self.host,
        }

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGUMENTS``."""
        return run_program("docker", *arguments, environment=self.environment, check=check)


@contextmanager
def running_engine(*options: str) -> Iterator[Engine]:
    """Start dockerd with its data in a temporary folder; stop it by its process id.

    ``options`` are further ones of dockerd.
    """
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        missing("dockerd is not installed")
    if os.geteuid() != 0:
        missing("a Docker engine needs root")
    # A socket's path is limited to some hundred characters, so not under pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="imagelock-engine-"))
    log = (folder / "log").open("wb")
    daemon = subprocess.Popen(
        [
            "dockerd",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid",
            f"--host=unix://{folder}/sock",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            *options,
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for(folder / "sock", daemon, folder / "log")
        yield Engine(folder / "sock")
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(socket: Path, daemon: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if daemon.poll() is not None:
            break
        if socket.exists() and Engine(socket).docker("version", check=False).returncode == 0:
            return
        time.sleep(0.2)
    text = log.read_text(errors="replace")[-2000:]
    missing(f"dockerd did not start:\n{text}")
