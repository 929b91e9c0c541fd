"""The root of a sandbox: an overlay, and the little that programs expect in /dev, /proc, /run."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from imagelock.build.oci.inside.namespaces import call

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18

_MNT_DETACH: Final = 2
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change a mount (Linux man page mount, section 2)."""
    call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode(),
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )


def make_private() -> None:
    """Nothing mounted from here on is seen outside."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)


def mount_overlay(
    target: str, *, trees: str, lower: list[str], upper: str, work: str, user: bool
) -> None:
    """Mount an overlay; ``lower`` names folders in ``trees``, lowest first.

    Names are relative to ``trees``, since the kernel reads at most a page of options. Without
    ``upper`` the overlay is read-only.
    """
    os.chdir(trees)
    # The kernel refuses a folder twice; what is in the upper one hides all of the lower.
    layers = list(dict.fromkeys(reversed(lower)))
    if not upper and len(layers) == 1:
        mount(layers[0], target, "", MS_BIND)
        mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV)
        return
    options = [f"lowerdir={':'.join(layers)}"]
    if upper:
        options += [f"upperdir={upper}", f"workdir={work}", "index=off", "metacopy=off"]
    options.append("userxattr" if user else "redirect_dir=off")
    if upper:
        options.append("xino=off")
    if upper:
        # Nothing there outlives a crash, so no write need reach the disk (Linux 5.10).
        try:
            mount("overlay", target, "overlay", MS_NODEV, ",".join([*options, "volatile"]))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return
    mount("overlay", target, "overlay", MS_NODEV, ",".join(options))


def furnish(root: str) -> None:
    """Mount /dev, /proc, /run and /tmp below the root; what is there is hidden, not changed."""
    for folder in ("dev", "proc", "run", "tmp", "sys"):
        Path(root, folder).mkdir(exist_ok=True)
    mount("tmpfs", f"{root}/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
    for name in _DEVICES:
        place = f"{root}/dev/{name}"
        Path(place).touch()
        mount(f"/dev/{name}", place, "", MS_BIND)
    for name, target in _LINKS:
        Path(root, "dev", name).symlink_to(target)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"),
        ("shm", "tmpfs", "mode=1777,size=256m"),
    ):
        Path(root, "dev", name).mkdir()
        mount(kind, f"{root}/dev/{name}", kind, MS_NOSUID | MS_NOEXEC, options)
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name, mode in (("run", "mode=755"), ("tmp", "mode=1777")):
        mount("tmpfs", f"{root}/{name}", "tmpfs", MS_NOSUID | MS_NODEV, mode)
    lock = Path(root, "run/lock")
    lock.mkdir()
    lock.chmod(0o1777)


def bind(source: str, target: str, *, writable: bool = False) -> None:
    """Show a file or folder of the host in the sandbox."""
    mount(source, target, "", MS_BIND)
    if not writable:
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
        mount("none", target, "", flags)


def unmount(target: str) -> None:
    """Take a mount away, even when something still uses it."""
    call("umount2", target.encode(), _MNT_DETACH)


def enter(root: str) -> None:
    """Make the folder the root of this mount namespace; the old one is gone (pivot_root(2))."""
    os.chdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", _MNT_DETACH)
    os.chdir("/")
