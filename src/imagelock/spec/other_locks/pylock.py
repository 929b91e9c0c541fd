"""pylock.toml (PEP 751): every package whose marker holds is asked for by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

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
from imagelock.spec.other_locks.sheet import Node, Sheet, WrongLockError
from imagelock.spec.positions import KeyPath

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_pylock(sheet: Sheet) -> Taken:
    """The packages of the default groups, without extras."""
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        lock = Pylock.from_dict(sheet.root.value)
    except PylockUnsupportedVersionError as error:
        raise sheet.root.wrong(_lowered(str(error.message)), key="lock-version") from None
    except PylockValidationError as error:
        raise WrongLockError(_path_of(error.context or ""), _lowered(error.message)) from None
    requirements, pins = [], []
    for node, package in zip(sheet.root.tables("packages"), lock.packages, strict=True):
        with sheet.collecting():
            for pin in _pins(node, package, lock):
                pins.append(pin)
                line = f"{pin.name}=={pin.version}"
                requirements += [
                    normal(node, with_marker(line, marker)) for marker in pin.markers or ("",)
                ]
    return Taken(
        requirements=tuple(requirements),
        pins=tuple(pins),
        requires_python=str(lock.requires_python or ""),
    )


def _pins(node: Node, package: Package, lock: Pylock) -> Iterator[Pin]:
    """The pin of a package, or none if it is for extras and groups that are not asked for."""
    groups = tuple(lock.default_groups or ())
    marker = marker_text(str(package.marker or ""), groups=groups)
    if marker is None:
        return
    for kind in ("vcs", "directory", "archive"):
        if kind in node:
            raise not_from_an_index(node, kind, key=kind)
    if package.version is None:
        raise node.wrong("expected 'version', which is missing")
    files = [(wheel.filename, wheel.hashes) for wheel in package.wheels or ()]
    files += [(package.sdist.filename, package.sdist.hashes)] if package.sdist else []
    hashes = (
        (name, sha256_of(node, f"sha256:{found['sha256']}", "wheels"))
        for name, found in files
        if "sha256" in found
    )
    yield Pin(
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
