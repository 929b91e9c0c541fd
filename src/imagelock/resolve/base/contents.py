"""From an image's layers to what it contains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import IO, Final

from imagelock.model.base import BaseContents, BaseUser, OsRelease
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import AptPin
from imagelock.model.python_packages import pythons_of_packages
from imagelock.resolve.base.capture import read_layer
from imagelock.resolve.base.deb822 import installed_versions
from imagelock.resolve.base.pythons import found_pythons
from imagelock.resolve.base.sources import apt_preferences, apt_sources
from imagelock.resolve.base.tree import Tree

_LIBC_VERSION: Final = re.compile(r"(?:\d+:)?(\d+\.\d+)")
_STATUS: Final = "var/lib/dpkg/status"


def contents_of_layers(
    layers: Iterable[tuple[str, IO[bytes], str]], *, environment: Mapping[str, str]
) -> BaseContents:
    """What the layers of an image contain, the lowest first; each is read once, as a stream.

    A layer is (name for errors, open seekable file with its bytes, its diff ID from the
    config). ``environment`` is the image's. IntegrityError for an unsafe or wrong layer.
    """
    tree = Tree()
    for where, file, diff_id in layers:
        found = read_layer(file, tree, where=where)
        if found != diff_id:
            raise IntegrityError(
                f"expected a layer with the diff ID {diff_id}, got {found}",
                where=where,
                hint="the image's config and layers do not belong together: do not use it",
            )
    return contents_of_tree(tree, environment=environment)


def contents_of_tree(tree: Tree, *, environment: Mapping[str, str]) -> BaseContents:
    """What the files of an image say it contains."""
    status, is_whole = _dpkg_status(tree)
    packages = installed_versions(status) if status is not None else {}
    os_release = _os_release(tree)
    states = tree.file("var/lib/apt/extended_states")
    dpkg = tree.file("usr/bin/dpkg") or tree.file("bin/dpkg")
    return BaseContents(
        libc=_libc(tree, packages, os_release),
        pythons=found_pythons(tree, packages=packages, environment=environment),
        os_release=os_release,
        dpkg_status=status,
        dpkg_usable=is_whole and dpkg is not None,
        extended_states=states.data if states else None,
        apt_sources=apt_sources(tree),
        apt_preferences=apt_preferences(tree),
        users=_users(tree),
        merged_usr=tree.resolve("lib") == "usr/lib",
        has_venv=tree.file("opt/venv/pyvenv.cfg") is not None,
        has_conda=tree.file("opt/conda/conda-meta/history") is not None,
        venv_packages=_venv_packages(tree),
    )


def _venv_packages(tree: Tree) -> tuple[bytes, ...]:
    found = sorted(
        (path, file.data)
        for path, file in tree.files()
        if path.startswith("opt/venv/") and path.endswith(".dist-info/METADATA") and file.data
    )
    return tuple(data.replace(b"\r\n", b"\n").partition(b"\n\n")[0] for _path, data in found)


def contents_of_pins(pins: tuple[AptPin, ...]) -> BaseContents:
    """What a base bootstrapped from these packages will contain."""
    libc = next((pin.version for pin in pins if pin.name in {"libc6", "libc6.1"}), None)
    match = _LIBC_VERSION.match(libc) if libc else None
    names = {str(pin.name) for pin in pins}
    return BaseContents(
        libc=f"glibc {match[1]}" if match else None,
        pythons=pythons_of_packages(pins),
        dpkg_usable="dpkg" in names,
        merged_usr=bool(names & {"usrmerge", "usr-is-merged"}) or not names,
    )


def _dpkg_status(tree: Tree) -> tuple[bytes | None, bool]:
    """The status file's bytes, and whether it is dpkg's own and not distroless' fragments."""
    parts = [
        file.data.strip(b"\n") + b"\n"
        for path, file in tree.files()
        if path.startswith(f"{_STATUS}.d/") and file.data
    ]
    whole = tree.file(_STATUS)
    if whole is not None and (whole.data.strip() or not parts):
        return whole.data, True
    return (b"\n".join(parts), False) if parts else (None, False)


def _os_release(tree: Tree) -> OsRelease | None:
    file = tree.file("etc/os-release") or tree.file("usr/lib/os-release")
    if file is None:
        return None
    values = {}
    for line in file.data.decode(errors="replace").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            values[key] = re.sub(r"\\(.)", r"\1", value.strip().strip("\"'"))
    return OsRelease(
        id=values.get("ID", "linux"),
        version_id=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        name=values.get("PRETTY_NAME", ""),
    )


def _libc(tree: Tree, packages: Mapping[str, str], os_release: OsRelease | None) -> str | None:
    """The C library that programs of the image run with.

    An image may hold files of both; then the distribution decides.
    """
    glibc, musl = _found(tree, ("/libc.so.6", "/libc-2.")), _found(tree, ("/ld-musl-",))
    if glibc is None:
        match = _LIBC_VERSION.match(packages.get("libc6", packages.get("libc6.1", "")))
        glibc = match[1] if match else None
    if musl is not None and (glibc is None or (os_release and os_release.id == "alpine")):
        return "musl " + ".".join(musl.split(".")[:2])
    return f"glibc {glibc}" if glibc else None


def _found(tree: Tree, names: tuple[str, ...]) -> str | None:
    for path, file in tree.files():
        if file.found and any(name in f"/{path}" for name in names):
            return file.found[0]
    return None


def _users(tree: Tree) -> tuple[BaseUser, ...]:
    file = tree.file("etc/passwd")
    users = []
    for line in file.data.decode(errors="replace").splitlines() if file else ():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdecimal() and fields[3].isdecimal():
            users.append(
                BaseUser(name=fields[0], uid=int(fields[2]), gid=int(fields[3]), home=fields[5])
            )
    return tuple(users)
