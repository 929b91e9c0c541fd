"""Debian trixie in a root of its own: made by mmdebstrap, kept in the test cache, read only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from support.minbase import test_cache
from support.registry import needs

SHARED: Final = "/mnt"
"""Where what runs there finds the folder that is shared with it."""

# A chroot is not enough: runc wants to pivot below a root that is a mount. The kernel's own folders
# are this machine's; nothing else of it is seen.
_START: Final = """
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


def trixie_root(name: str, *included: str) -> Path:
    """A minbase with some packages. Needs root and the archive the first time."""
    made = test_cache() / name
    if made.exists():
        return made
    needs("mmdebstrap")
    part = made.with_name(f"{os.getpid()}.{made.name}")
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(included)}"]
    subprocess.run([*command, "trixie", str(part)], check=True, capture_output=True)
    try:
        part.rename(made)
    except OSError:  # another process was first, and made the same
        shutil.rmtree(part)
    return made


def entered(root: Path, shared: Path, *command: str, bridged: bool = False) -> list[str]:
    """A command line that runs a command in a root, as root, with ``shared`` at :data:`SHARED`.

    It has a process namespace of its own: killing it leaves nothing behind. ``bridged``: a network
    of its own too, else it has this machine's.
    """
    network = ("--net",) if bridged else ()
    return [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"),
        *network,
        *("sh", "-euc", _START, "sh", str(root), str(shared), *command),
    ]
