"""A real sshd on 127.0.0.1, with a key of its own, and the `ssh` that reaches it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.engine import missing
from support.processes import PATIENCE, reserved_port, stop


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer:
    """``path`` is a folder to put before PATH: its `ssh` knows the server's and the user's key."""

    address: str
    port: int
    path: Path


@contextmanager
def running_sshd(folder: Path, environment: Mapping[str, str]) -> Iterator[SshServer]:
    """Start sshd; commands it runs have ``environment``. Stopped by its process id."""
    if not Path("/usr/sbin/sshd").exists():
        missing("sshd is not installed")
    if os.geteuid() != 0:
        missing("sshd needs root")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    shutil.copy(folder / "user.pub", folder / "authorized")
    with reserved_port() as port:
        yield from _sshd(folder, environment, port)


def _sshd(folder: Path, environment: Mapping[str, str], port: int) -> Iterator[SshServer]:
    values = " ".join(f'"{key}={value}"' for key, value in environment.items())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin prohibit-password\nPasswordAuthentication no\nSetEnv {values}\n"
    )
    host_key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "ssh_config").write_text(
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  BatchMode yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking yes\n"
    )
    # ssh reads the configuration of the user's real home, whatever HOME says.
    programs = folder / "bin"
    programs.mkdir()
    wrapper = programs / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, daemon)
        yield SshServer(
            address=f"ssh://{getpass.getuser()}@127.0.0.1:{port}", port=port, path=programs
        )
    finally:
        stop(daemon)


def _wait_for(port: int, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    missing("sshd did not start")
