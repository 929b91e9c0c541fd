"""The virtual packages of an image: never the host's."""

from __future__ import annotations

from typing import Final

from imagelock.model.errors import NoSolution
from imagelock.model.platform import Platform
from imagelock.resolve.conda.ports import VirtualPackage

KERNEL: Final = "4.18"
"""The oldest kernel that an image is taken to run on: that of Enterprise Linux 8."""


def virtual_packages(
    platform: Platform, *, libc: str | None, cuda: str | None = None, base: str = "the base"
) -> tuple[VirtualPackage, ...]:
    """What the packages of an image can count on (CEP 30), sorted by name.

    ``libc`` is the base's, like ``glibc 2.36``; ``cuda`` the version that ``[gpu]`` asks for.
    NoSolution for a base without glibc, which conda's packages for Linux are linked to.
    """
    kind, _, version = (libc or "").partition(" ")
    if kind != "glibc":
        found = f"has {libc}" if libc else "has no C library that is known"
        raise NoSolution(
            f"conda packages need a base with glibc; {base} {found}",
            where="conda.packages",
            hint='choose another base, such as distribution = "debian:bookworm"',
        )
    packages = [
        VirtualPackage(name="__archspec", version="1", build=platform.machine),
        VirtualPackage(name="__glibc", version=version),
        VirtualPackage(name="__linux", version=KERNEL),
        VirtualPackage(name="__unix", version="0"),
    ]
    if cuda is not None:
        packages.append(VirtualPackage(name="__cuda", version=cuda))
    return tuple(sorted(packages))
