"""pylock.toml (PEP 751): every package whose marker holds is asked for by itself."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from imagelock.spec.other_locks.choosing import Choosing, normal_name
from imagelock.spec.other_locks.markers import marker_text
from imagelock.spec.other_locks.pins import (
    Pin,
    Taken,
    hashes_of,
    normal,
    not_from_an_index,
    sha256_of,
    with_marker,
)
from imagelock.spec.other_locks.places import git_place, path_place, with_hash
from imagelock.spec.other_locks.sheet import Node, Sheet, WrongLockError
from imagelock.spec.positions import KeyPath

if TYPE_CHECKING:
    from packaging.pylock import Package

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_pylock(sheet: Sheet, choosing: Choosing, *, folder: str) -> Taken:
    """The packages of the default groups, and of the extras and groups that are chosen.

    ``folder`` is the lock's, relative to the spec's.
    """
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        lock = Pylock.from_dict(sheet.root.value)
    except PylockUnsupportedVersionError as error:
        raise sheet.root.wrong(_lowered(str(error.message)), key="lock-version") from None
    except PylockValidationError as error:
        raise WrongLockError(_path_of(error.context or ""), _lowered(error.message)) from None
    try:
        choosing.known("extra", map(str, lock.extras or ()))
        choosing.known("group", (*(lock.dependency_groups or ()), *(lock.default_groups or ())))
    except ValueError as error:
        raise sheet.root.wrong(str(error)) from None
    default = tuple(map(normal_name, lock.default_groups or ()))
    wanted = replace(choosing, groups=(*default, *choosing.groups))
    requirements, pins = [], []
    for node, package in zip(sheet.root.tables("packages"), lock.packages, strict=True):
        with sheet.collecting():
            marker = marker_text(str(package.marker or ""), wanted)
            if marker is None:
                continue
            place = _place(node, folder)
            if place:
                line = f"{node.name()} @ {place} "
            else:
                pins.append(_pin(node, package, marker))
                line = f"{node.name()}=={package.version}"
            requirements.append(normal(node, with_marker(line, marker)))
    return Taken(
        requirements=tuple(requirements),
        pins=tuple(pins),
        requires_python=str(lock.requires_python or ""),
    )


def _place(node: Node, folder: str) -> str:
    """Where a package is that no index gives; empty for one of an index."""
    if "vcs" in node:
        source = node.table("vcs")
        if source.text("type") != "git":
            raise not_from_an_index(source, source.text("type"), key="type")
        return git_place(
            source,
            source.text("url", "") or source.text("path"),
            source.text("commit-id"),
            folder=folder,
            subfolder=source.text("subdirectory", ""),
        )
    kind = next((key for key in ("directory", "archive") if key in node), "")
    if not kind:
        return ""
    source = node.table(kind)
    inner = source.text("subdirectory", "")
    if kind == "directory":
        return path_place(posixpath.join(source.text("path"), inner), folder=folder)
    if inner:
        raise source.wrong("a folder of an archive is not supported", key="subdirectory")
    digits = source.table("hashes").text("sha256", "")
    hashed = sha256_of(source, f"sha256:{digits}", "hashes") if digits else ""
    if "url" in source:
        return with_hash(source.text("url"), hashed)
    return path_place(source.text("path"), folder=folder, sha256=hashed)


def _pin(node: Node, package: Package, marker: str) -> Pin:
    if package.version is None:
        raise node.wrong("expected 'version', which is missing")
    files = [(wheel.filename, wheel.hashes) for wheel in package.wheels or ()]
    files += [(package.sdist.filename, package.sdist.hashes)] if package.sdist else []
    hashes = (
        (name, sha256_of(node, f"sha256:{found['sha256']}", "wheels"))
        for name, found in files
        if "sha256" in found
    )
    return Pin(
        name=node.name(),
        version=str(package.version),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=(marker,) if marker else (),
    )


def _path_of(context: str) -> KeyPath:
    """``packages[3].wheels`` as a path."""
    return tuple(int(number) if number else key for key, number in _STEP.findall(context))


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
