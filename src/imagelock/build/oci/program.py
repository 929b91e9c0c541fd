"""Starting the program in the namespaces (:mod:`imagelock.build.oci.inside`), and its failures."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import imagelock
from imagelock.build.oci.tiers import Tier
from imagelock.fetch.store import disk_errors
from imagelock.model.errors import BuildError, IntegrityError

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL: Final = 4000


def start_program(
    job: dict[str, object],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.PIPE,
    stderr: int | None = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start it on a job. It dies with the thread that calls this."""
    reading, writing = os.pipe()
    package = str(Path(imagelock.__file__).parent.parent)
    # -S: it needs nothing of site-packages, whose start-up files cost more than all the rest.
    options = ("-P", "-s", "-S", "-m", "imagelock.build.oci.inside")
    environment = {"PATH": os.environ.get("PATH", PATH), "PYTHONPATH": package}
    try:
        process = subprocess.Popen(
            [sys.executable, *options, str(reading)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(reading,),
            env=environment,
        )
    finally:
        os.close(reading)
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(job).encode())
    except BaseException:
        with ended(process):
            raise
    return process


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no more afterwards: killed, unless it has ended by then, and waited for."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def refuse_failed(code: int, error: bytes, *, where: str, tier: Tier, folder: Path) -> None:
    """Raise what the program ended with: IntegrityError for an archive, else BuildError."""
    if code == 0:
        return
    if code == 5:
        told = json.loads(error)
        raise IntegrityError(told["message"], where=told["where"] or where, hint=told["hint"])
    text = error.decode("utf-8", "replace")[-_TAIL:].strip()
    if f"[Errno {errno.ENOSPC}]" in text or f"[Errno {errno.EDQUOT}]" in text:
        with disk_errors(str(folder)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise BuildError(
        f"the sandbox failed: {text}", where=where, hint=f"the sandbox is of the tier '{tier}'"
    )
