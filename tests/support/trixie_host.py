"""A Debian trixie host with imagelock from its wheel, in a root of its own.

The root is made once by mmdebstrap, kept in the test cache and read only; the wheel and what it
needs are installed for trixie's Python in the folder that is shared with it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.engine import missing
from support.minbase import test_cache
from support.registry import needs

REPOSITORY = Path(__file__).parents[2]
SHARED = "/mnt"
_PYTHON = "3.13"

# The kernel's own folders are this machine's; nothing else of it is seen.
_START = """
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind "$2" mnt
mount -o remount,bind,ro .
pivot_root . .
umount -l .
cd /mnt
shift 2
exec "$@"
"""


def trixie_host() -> Path:
    """The root with Python. Needs root and the archive the first time."""
    made = test_cache() / "host-trixie-python"
    if made.exists():
        return made
    needs("mmdebstrap")
    part = made.with_name(f"{os.getpid()}.{made.name}")
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates,python3"]
    subprocess.run([*command, "trixie", str(part)], check=True, capture_output=True)
    try:
        part.rename(made)
    except OSError:  # another process was first, and made the same
        shutil.rmtree(part)
    return made


def install_wheel(shared: Path) -> None:
    """imagelock's wheel and its dependencies, as trixie's Python takes them, in ``shared/site``."""
    needs("uv")
    built = shared / "dist"
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", str(built)], check=True, cwd=REPOSITORY
    )
    [wheel] = built.glob("*.whl")
    subprocess.run(
        [
            *("uv", "pip", "install", "--quiet", "--target", str(shared / "site")),
            *("--python-version", _PYTHON),
            *("--python-platform", f"{platform.machine()}-manylinux_2_28"),
            *("--only-binary", ":all:", str(wheel)),
        ],
        check=True,
    )


def run_on_trixie(shared: Path, command: Sequence[str], **environment: str) -> str:
    """Run a command in the root with ``shared`` at /mnt, as root; what it wrote to stdout."""
    if os.geteuid() != 0:
        missing("another host's root needs root")
    done = subprocess.run(
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"),
            *("sh", "-euc", _START, "sh", str(trixie_host()), str(shared), *command),
        ],
        env={"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": f"{SHARED}/site", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
