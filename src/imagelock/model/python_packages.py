"""The interpreters that Debian packages bring, and the versions in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from imagelock.model.lock import AptPin
from imagelock.model.python import FoundPython

_UPSTREAM: Final = re.compile(r"(?:\d+:)?(3\.\d+\.\d+)(?:~?(a|b|rc)(\d+))?")
_MINIMAL: Final = re.compile(r"python3\.(\d+)-minimal\Z")


def upstream_version(version: str) -> str | None:
    """The Python version in a Debian one: ``3.11.2-6+deb12u6`` gives ``3.11.2``; None if none."""
    match = _UPSTREAM.match(version)
    if match is None:
        return None
    return match[1] + (f"{match[2]}{match[3]}" if match[2] else "")


def pythons_of_packages(pins: Iterable[AptPin]) -> tuple[FoundPython, ...]:
    """The interpreters of a package set: what ``python3`` means first, then the newest."""
    versions = {str(pin.name): pin.version for pin in pins}
    default = upstream_version(versions.get("python3-minimal") or versions.get("python3", ""))
    found: list[tuple[bool, int, FoundPython]] = []
    for name, version in versions.items():
        match = _MINIMAL.match(name)
        exact = upstream_version(version)
        if match is None or exact is None:
            continue
        minor = f"3.{match[1]}"
        is_default = f"{default}.".startswith(f"{minor}.")
        python = FoundPython(
            version=exact,
            executable=f"/usr/bin/python{minor}",
            links=("/usr/bin/python3",) if is_default else (),
        )
        found.append((not is_default, -int(match[1]), python))
    return tuple(python for _is_other, _minor, python in sorted(found, key=lambda item: item[:2]))
