"""Running programs of another architecture: by qemu-user, where the kernel was told of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from imagelock.model.errors import BuildError
from imagelock.model.platform import Platform

_REGISTERED: Final = Path("/proc/sys/fs/binfmt_misc")
_ALSO_RUN: Final = {"x86_64": {"i686"}, "aarch64": {"armv7l"}}
_QEMU: Final = {"armv7l": "arm", "i686": "i386"}


def refuse_unrunnable(platform: Platform, where: str, *, registered: Path = _REGISTERED) -> None:
    """BuildError when this machine cannot run the platform's programs.

    Layers that run nothing are built for every platform anywhere. Others need an entry of
    binfmt_misc with the flag F: only then the interpreter is found inside a root of its own.
    """
    here = os.uname().machine
    machine = platform.machine
    if machine == here or machine in _ALSO_RUN.get(here, ()):
        return
    name = f"qemu-{_QEMU.get(machine, machine)}"
    try:
        lines = (registered / name).read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    if "enabled" in lines and "F" in flags:
        return
    reason = "is registered without the flag F" if lines else "is not registered"
    raise BuildError(
        f"programs of {platform} must run, this machine is {here} and {name} {reason}",
        where=where,
        hint="name the platforms to build for with --platform; for this one, apt-get install"
        " qemu-user-static binfmt-support, or build on such a machine: layers come from the"
        " store or a shared cache where they were built",
    )
