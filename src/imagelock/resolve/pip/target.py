"""The target's markers and wheel tags, from the image's libc, architecture and exact Python.

Sources: PEP 425, 508, 600, 656; the tag order is packaging's (best first). Nothing here looks at
the machine it runs on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from packaging.tags import compatible_tags, cpython_tags, generic_tags
from packaging.version import Version

from imagelock.model.errors import UsageError
from imagelock.model.python import PythonTarget

_OLDEST_GLIBC_MINOR: Final = {"x86_64": 5, "i686": 5}
_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LEGACY_2014: Final = frozenset(
    {"x86_64", "i686", "aarch64", "armv7l", "ppc64", "ppc64le", "s390x"}
)


def _libc(target: PythonTarget) -> tuple[str, int, int]:
    family, _, text = target.libc.partition(" ")
    numbers = text.split(".")
    if family not in {"glibc", "musl"} or len(numbers) < 2 or not all(map(str.isdigit, numbers)):
        raise UsageError(
            f"expected a C library like 'glibc 2.36' or 'musl 1.2', got '{target.libc}'",
            where=str(target.platform),
        )
    return family, int(numbers[0]), int(numbers[1])


def _platforms(target: PythonTarget) -> Iterator[str]:
    """The platform tags, the newest first."""
    machine = target.platform.machine
    family, major, minor = _libc(target)
    if family == "musl":
        for number in range(minor, -1, -1):
            yield f"musllinux_{major}_{number}_{machine}"
    else:
        for number in range(minor, _OLDEST_GLIBC_MINOR.get(machine, 17) - 1, -1):
            yield f"manylinux_{major}_{number}_{machine}"
            legacy = _LEGACY.get(number)
            if legacy and (number < 17 or machine in _LEGACY_2014):
                yield f"{legacy}_{machine}"
    yield f"linux_{machine}"


def _tags(target: PythonTarget) -> dict[str, int]:
    version = Version(target.version).release
    platforms = list(_platforms(target))
    nodot = f"{version[0]}{version[1]}"
    if target.implementation == "cpython":
        interpreter = f"cp{nodot}"
        abi = interpreter + ("m" if version < (3, 8) else "")
        own = cpython_tags(version[:2], [abi], platforms)
    elif target.implementation == "pypy":
        interpreter = f"pp{nodot}"
        own = generic_tags(interpreter, [f"pypy{nodot}_pp73"], platforms)
    else:
        raise UsageError(
            f"expected cpython or pypy, got '{target.implementation}'", where=str(target.platform)
        )
    ranked: dict[str, int] = {}
    for tag in (*own, *compatible_tags(version[:2], interpreter, platforms)):
        ranked.setdefault(str(tag), len(ranked))
    return ranked


def environment_of(target: PythonTarget) -> dict[str, str]:
    """The values of the PEP 508 markers on the target; kernel facts are empty."""
    release = Version(target.version).release
    cpython = target.implementation == "cpython"
    return {
        "implementation_name": target.implementation,
        "implementation_version": target.version if cpython else "7.3.0",
        "os_name": "posix",
        "platform_machine": target.platform.machine,
        "platform_python_implementation": "CPython" if cpython else "PyPy",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": target.version,
        "python_version": f"{release[0]}.{release[1]}",
        "sys_platform": "linux",
    }


@dataclass(frozen=True)
class TargetTags:
    """The wheel tags of a target, and the rank of wheels under them."""

    target: PythonTarget

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Every tag, like ``cp311-cp311-manylinux_2_17_x86_64``, and its place; 0 is the best."""
        return _tags(self.target)

    def rank(self, filename: str) -> tuple[int, tuple[int, str]] | None:
        """How well a wheel fits: (tag place, build tag); None when it does not.

        Of equal places the higher build tag wins (PEP 427).
        """
        parts = filename.removesuffix(".whl").split("-")
        if len(parts) not in {5, 6}:
            return None
        best: int | None = None
        ranks = self.ranks
        for python in parts[-3].split("."):
            for abi in parts[-2].split("."):
                for platform in parts[-1].split("."):
                    place = ranks.get(f"{python}-{abi}-{platform}".lower())
                    if place is not None and (best is None or place < best):
                        best = place
        if best is None:
            return None
        return best, _build_tag(parts[2] if len(parts) == 6 else "")


def _build_tag(text: str) -> tuple[int, str]:
    digits = len(text) - len(text.lstrip("0123456789"))
    return (int(text[:digits]) if digits else -1), text[digits:]
