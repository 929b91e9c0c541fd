"""Layers of a virtual environment: its skeleton, and wheels in it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from imagelock.layers.entries import (
    EARLIEST,
    Entry,
    Kind,
    Layer,
    parents,
    sort_key,
    unsafe,
    with_parents,
)
from imagelock.layers.scheme import Scheme
from imagelock.layers.wheel import Wheel
from imagelock.model.lock import PythonPin


def venv_layer(python: PythonPin, prefix: str, *, system_packages: bool = False) -> Layer:
    """An empty environment over an interpreter (PEP 405), without pip or activation scripts.

    ``system_packages``: what the interpreter itself has is seen in it as well.
    """
    root = prefix.strip("/")
    minor = "python" + ".".join(python.version.split(".")[:2])
    config = (
        f"home = {posixpath.dirname(python.executable)}\n"
        f"include-system-site-packages = {str(system_packages).lower()}\n"
        f"version = {python.version}\n"
        f"executable = {python.executable}\n"
    ).encode()
    entries = [
        _symlink(f"{root}/bin/python", python.executable),
        _symlink(f"{root}/bin/python3", "python"),
        _symlink(f"{root}/bin/{minor}", "python"),
        Entry(path=f"{root}/lib/{minor}/site-packages", kind=Kind.DIRECTORY, mode=0o755),
        _symlink(f"{root}/lib64", "lib"),
        Entry(path=f"{root}/pyvenv.cfg", size=len(config), content=(config,)),
    ]
    ordered = sorted(entries, key=lambda entry: sort_key(entry.path))
    return Layer(entries=with_parents(ordered), epoch=EARLIEST)


def wheels_layer(wheels: Sequence[tuple[Wheel, bool]], scheme: Scheme) -> Layer:
    """Wheels (each with whether it was requested) in one layer, sorted by path.

    Where two wheels have the same path, the later one has it, as when pip installs in that order.
    """
    chosen: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for wheel, requested in wheels:
        for entry in wheel.entries(scheme, requested=requested):
            chosen[entry.path] = entry
            owners[entry.path] = wheel.where
    for path, owner in owners.items():
        for folder in parents(path):
            if folder in owners:
                raise unsafe(path, f"lies below a file of {owners[folder]}", where=owner)
    epoch = max((wheel.epoch for wheel, _ in wheels), default=EARLIEST)
    ordered = [chosen[path] for path in sorted(chosen, key=sort_key)]
    clamped = (replace(entry, mtime=min(entry.mtime, epoch)) for entry in ordered)
    return Layer(entries=with_parents(clamped), epoch=epoch)


def _symlink(path: str, target: str) -> Entry:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, link=target)
