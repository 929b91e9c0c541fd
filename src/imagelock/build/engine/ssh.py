"""Engines behind ``ssh://``: a local socket, each connection of which is an ssh of its own.

The far end is `docker system dial-stdio`, as for the docker command line. The host's ssh is
used, so its configuration, agent, known hosts and prompts (on the terminal) are the user's own.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imagelock.model.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """``host`` is the local address; :meth:`said` the last words of ssh."""

    host: str
    log: Path

    def said(self) -> str:
        """What the last ssh that failed wrote on its standard error."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def ssh_command(host: str) -> list[str]:
    """The command that reaches the engine of ``ssh://[USER@]HOST[:PORT][/SOCKET]``."""
    try:
        url = urlsplit(host)
        port = url.port
    except ValueError as error:
        raise UsageError(f"is no ssh address: {error}", where=host) from None
    if not url.hostname or url.password is not None or url.query or url.fragment:
        raise UsageError(
            "expected ssh://[USER@]HOST[:PORT]",
            where=f"ssh://{url.hostname or ''}",
            hint="passwords have no place in an address: use a key and an agent",
        )
    command = ["ssh", "-T", "-o", "ConnectTimeout=30"]
    if url.username:
        command += ["-l", url.username]
    if port:
        command += ["-p", str(port)]
    far = ["docker", "system", "dial-stdio"]
    if url.path.strip("/"):
        far[1:1] = ["--host", f"unix://{url.path}"]
    return [*command, "--", url.hostname, shlex.join(far)]


@contextlib.contextmanager
def ssh_door(host: str) -> Iterator[Door]:
    """A local socket in front of an engine behind ssh; closed, with all its ssh, at the end."""
    command = ssh_command(host)
    with contextlib.ExitStack() as stack:
        # mkdtemp makes folders of mode 0700: nobody else comes in through this door.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagelock-")))
        door = Door(host=f"unix://{folder}/engine", log=folder / "log")
        log = stack.enter_context(door.log.open("wb"))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(folder / "engine"))
        listener.listen()
        started: list[subprocess.Popen[bytes]] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    ends = connection.fileno()
                    try:
                        process = subprocess.Popen(command, stdin=ends, stdout=ends, stderr=log)
                    except OSError as error:
                        log.write(f"ssh: {error.strerror}\n".encode())
                        log.flush()
                    else:
                        started.append(process)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door
        finally:
            # A shutdown wakes the accept that a close alone would leave waiting.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for process in started:
                process.terminate()
            for process in started:
                process.wait()
