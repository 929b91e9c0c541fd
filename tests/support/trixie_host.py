"""A Debian trixie host with imagelock from its wheel, in a root of its own.

The wheel and what it needs are installed for trixie's Python in the folder that is shared with it.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.engine import missing
from support.registry import needs
from support.trixie import SHARED, entered, trixie_root

REPOSITORY = Path(__file__).parents[2]
_PYTHON = "3.13"


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
        entered(trixie_root("host-trixie-python", "ca-certificates", "python3"), shared, *command),
        env={"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": f"{SHARED}/site", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
