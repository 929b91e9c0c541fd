"""Namespaces by system call: Python has os.unshare only from 3.12 on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

_ADDR_NO_RANDOMIZE: Final = 0x0040000
_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24

_KEPT_CAPABILITIES: Final = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
sys_chroot, mknod, audit_write, setfcap (capability.h): what runtimes give a container. Devices
are of no use there: the root is mounted nodev."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call a function of libc; OSError with its errno when it fails."""
    result: int = getattr(_LIBC, name)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def unshare(flags: int) -> None:
    """Leave the parent's namespaces of these kinds (unshare(2))."""
    call("unshare", ctypes.c_int(flags))


def die_with_parent() -> None:
    """Be killed when the parent is: nothing outlives the build."""
    call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def drop_capabilities() -> None:
    """Keep only what installing packages needs."""
    for number in range(64):
        if number not in _KEPT_CAPABILITIES:
            try:
                call("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
            except OSError:
                break


def fixed_addresses() -> None:
    """Load programs at the same addresses each time: some write them into what they make.

    Where a container of our own forbids it (seccomp), addresses stay random.
    """
    with contextlib.suppress(OSError):
        call("personality", ctypes.c_ulong(_ADDR_NO_RANDOMIZE))


def enter_user_namespace(maps: dict[str, list[list[int]]]) -> None:
    """Become root of a new user namespace.

    ``maps`` gives ``uid`` and ``gid`` ranges (inside, outside, count). Ranges beyond our own id
    are written by newuidmap(1) and newgidmap(1), one id by ourselves.
    """
    own = all(len(ranges) == 1 and ranges[0][2] == 1 for ranges in maps.values())
    if own:
        unshare(CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        for kind in ("uid", "gid"):
            _write(f"/proc/self/{kind}_map", " ".join(map(str, maps[kind][0])))
    else:
        _mapped_from_outside(maps)
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _mapped_from_outside(maps: dict[str, list[list[int]]]) -> None:
    """Only a process outside may write ranges: a child that stays there does it for us."""
    import subprocess

    target = os.getpid()
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready_write)
        os.read(ready_read, 1)
        status = 0
        for kind in ("uid", "gid"):
            numbers = [str(number) for line in maps[kind] for number in line]
            program = f"new{kind}map"
            status |= subprocess.run([program, str(target), *numbers], check=False).returncode
        os._exit(1 if status else 0)
    os.close(ready_read)
    unshare(CLONE_NEWUSER)
    os.write(ready_write, b"x")
    os.close(ready_write)
    _, status = os.waitpid(child, 0)
    if status:
        raise PermissionError(1, "newuidmap or newgidmap refused", "subuid")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
