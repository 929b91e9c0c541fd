"""podman with its storage in a temporary folder, and without a daemon."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.engine import missing, run_program
from support.registry import needs


class Podman:
    """:meth:`podman` is the command line; ``environment`` makes any podman use this storage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        storage, containers = folder / "storage.conf", folder / "containers.conf"
        storage.write_text(
            '[storage]\ndriver = "overlay"\n'
            f'graphroot = "{folder / "data"}"\nrunroot = "{folder / "run"}"\n'
        )
        # No systemd, no cgroups of version 2 and no right to raise limits are asked of a machine.
        containers.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]\n'
            "[engine]\n"
            'runtime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
            f'tmp_dir = "{folder / "tmp"}"\n'
        )
        # As Docker takes it by itself: a registry of this machine needs no TLS.
        registries = folder / "registries.conf"
        registries.write_text('[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n')
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(containers),
            "CONTAINERS_REGISTRIES_CONF": str(registries),
        }

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``podman ARGUMENTS``."""
        return run_program("podman", *arguments, environment=self.environment, check=check)


@contextlib.contextmanager
def running_podman() -> Iterator[Podman]:
    """podman over an empty storage, which is removed at the end with its mounts."""
    needs("podman", "runc")
    if os.geteuid() != 0:
        missing("podman is run as root here")
    folder = Path(tempfile.mkdtemp(prefix="imagelock-podman-"))
    podman = Podman(folder)
    try:
        yield podman
    finally:
        podman.podman("rm", "--all", "--force", check=False)
        for mount in sorted(_mounts_below(folder), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = (line.split()[1] for line in lines)
    return [place for place in places if place.startswith(f"{folder}/")]
