"""Programs of another architecture, by Debian's qemu-user-static and the kernel's binfmt_misc."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.engine import missing

_PLACE = Path("/proc/sys/fs/binfmt_misc")


@contextmanager
def foreign_programs(machine: str) -> Iterator[None]:
    """Programs of a machine (as qemu calls it) run while this is open; then all is as before."""
    if os.geteuid() != 0:
        missing("binfmt_misc is root's")
    if not Path(f"/usr/bin/qemu-{machine}-static").exists():
        missing("qemu-user-static is not installed")
    mounted = not (_PLACE / "status").exists()
    if mounted:
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_PLACE))
    entry = _PLACE / f"qemu-{machine}"
    enabled = not entry.exists()
    try:
        if enabled:
            _run("update-binfmts", "--import", f"qemu-{machine}")
            _run("update-binfmts", "--enable", f"qemu-{machine}")
        yield
    finally:
        if enabled and entry.exists():
            entry.write_text("-1")
        if mounted:
            _run("umount", str(_PLACE))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"{' '.join(command)}: {done.stderr.strip()}")
