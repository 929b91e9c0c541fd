"""What a base has installed, from the bytes of its dpkg status file."""

from __future__ import annotations

from typing import Final

from imagelock.model.debian import BinaryPackage, Installed
from imagelock.model.errors import NoSolution
from imagelock.resolve.apt.stanza import package_from_fields, parse_fields

_ABSENT: Final = frozenset({"config-files", "not-installed"})


def parse_status(data: bytes, *, where: str) -> Installed:
    """The installed packages and the holds. NoSolution for one that dpkg left half done.

    ``data`` is ``/var/lib/dpkg/status``, or the files of ``status.d`` one after the other: those
    (of distroless images) have no Status field, and everything in them is installed.
    """
    packages: list[BinaryPackage] = []
    held: set[BinaryPackage] = set()
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = parse_fields(stanza.strip("\n"))
        if "Package" not in fields:
            continue
        state = fields.get("Status", "install ok installed").split()
        if state[-1] in _ABSENT:
            continue
        if state[1:] != ["ok", "installed"]:
            raise NoSolution(
                f"'{fields['Package']}' is in the state '{' '.join(state)}'",
                where=where,
                hint="repair the base image: a package in it is not fully installed",
            )
        try:
            package = package_from_fields(fields)
        except (KeyError, ValueError) as error:
            raise NoSolution(
                f"the entry of '{fields['Package']}' cannot be read: {error}",
                where=where,
                hint="repair the base image's dpkg status file",
            ) from error
        packages.append(package)
        if state[0] == "hold":
            held.add(package)
    return Installed(packages=tuple(packages), held=frozenset(held))
