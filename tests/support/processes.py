"""Processes that tests start: a port that stays theirs, and an end that is waited for."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator

PATIENCE = 120.0
"""Seconds after which something is broken rather than slow, on a machine with other work."""


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port of 127.0.0.1 that nobody else is given while the context lasts.

    It is bound and not listened on. A server that sets SO_REUSEADDR, as Go's and sshd do, may
    listen on it all the same; the kernel hands it to no one who asks for any port.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force when it does not go, and reap it."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
