"""A real BuildKit: trixie's docker.io with the containerd image store, in a root of its own.

Debian packages no buildkitd; the docker.io of trixie holds one. What the daemon writes is in a
temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from support.engine import Engine, missing
from support.registry import needs
from support.trixie import SHARED, entered, trixie_root

_INCLUDED = ("ca-certificates", "docker.io", "docker-cli", "docker-buildx")
_PLUGIN = "usr/libexec/docker/cli-plugins/docker-buildx"
_START_SECONDS = 90


class BuildKit(Engine):
    """A running engine with BuildKit; its command line has the buildx plugin.

    ``environment`` is what a process needs to reach it: DOCKER_HOST and DOCKER_CONFIG.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "sock")
        self.folder = folder
        self.environment |= {"DOCKER_CONFIG": str(folder / "config"), "HOME": str(folder)}


@contextlib.contextmanager
def running_buildkit(*, bridged: bool = False) -> Iterator[BuildKit]:
    """Start the daemon with its data in a temporary folder; stop it by its process id.

    ``bridged``: it has a network of its own, apart from this machine's, with a bridge that gives
    addresses to commands with a network. Without, such commands have none, and it can pull.
    """
    needs("docker", "unshare", "pivot_root")
    if os.geteuid() != 0:
        missing("BuildKit needs root")
    root = trixie_root("buildkit-trixie", *_INCLUDED)
    folder = Path(tempfile.mkdtemp(prefix="imagelock-buildkit-"))
    (folder / "config" / "cli-plugins").mkdir(parents=True)
    (folder / "config" / "cli-plugins" / "docker-buildx").symlink_to(root / _PLUGIN)
    (folder / "daemon.json").write_text(
        json.dumps(
            {
                "features": {"containerd-snapshotter": True},
                "data-root": f"{SHARED}/data",
                "exec-root": "/run/docker",
                "hosts": [f"unix://{SHARED}/sock"],
                "iptables": False,
                "ip6tables": False,
                **({} if bridged else {"bridge": "none"}),
            }
        )
    )
    log = (folder / "log").open("wb")
    daemon = subprocess.Popen(
        entered(root, folder, "dockerd", f"--config-file={SHARED}/daemon.json", bridged=bridged),
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        engine = BuildKit(folder)
        _wait_for(engine, daemon, folder / "log")
        yield engine
    finally:
        daemon.kill()
        daemon.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def buildkit_port(engine: BuildKit) -> Iterator[int]:
    """BuildKit alone on a port of 127.0.0.1, for buildx's ``remote`` driver."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()
        accepting = threading.Thread(target=_accept, args=(server, engine, stop))
        accepting.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stop.set()
            accepting.join()


def _accept(server: socket.socket, engine: BuildKit, stop: threading.Event) -> None:
    pumps: list[threading.Thread] = []
    ends: list[socket.socket] = []
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            near, _ = server.accept()
            near.settimeout(None)
            far = _upgraded(engine)
            ends += [near, far]
            for source, target in ((near, far), (far, near)):
                pumps.append(threading.Thread(target=_pump, args=(source, target)))
                pumps[-1].start()
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for pump in pumps:
        pump.join()
    for end in ends:
        end.close()


def _upgraded(engine: BuildKit) -> socket.socket:
    """A connection to the engine that speaks BuildKit's gRPC from here on."""
    far = socket.socket(socket.AF_UNIX)
    far.connect(engine.host.removeprefix("unix://"))
    far.sendall(
        b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += far.recv(1)
    assert b" 101 " in head, head
    return far


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _wait_for(engine: BuildKit, daemon: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and daemon.poll() is None:
        is_there = (engine.folder / "sock").exists()
        if is_there and engine.docker("version", check=False).returncode == 0:
            return
        time.sleep(0.2)
    missing(f"BuildKit did not start:\n{log.read_text(errors='replace')[-2000:]}")
