"""Wheels into an interpreter of the base: what it has of the same names makes room first.

The folders of a scheme are read from the base's layers as streams. A distribution that is replaced
is hidden whole, by the files of its RECORD, as pip uninstalls one; folders of the base keep
their modes and owners.
"""

from __future__ import annotations

import csv
import hashlib
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from imagelock.build.oci.trees import open_layer
from imagelock.fetch.store import Store
from imagelock.layers.entries import (
    EARLIEST,
    OPAQUE,
    WHITEOUT,
    Entry,
    Kind,
    Layer,
    parents,
    sort_key,
    with_parents,
)
from imagelock.layers.scheme import Scheme
from imagelock.layers.untar import Readable, read_tar
from imagelock.model.errors import BuildError
from imagelock.model.image import BuiltLayer, Descriptor
from imagelock.model.names import PipName, pip_name
from imagelock.model.plan import ImagePlan, SourceWheelStep, WheelsStep

_INFO: Final = ".dist-info"
_EGG: Final = ".egg-info"
_LARGEST_RECORD: Final = 64 << 20
_RECORDS: Final = "interpreter-1"

Folder = tuple[str, int, int, int]
"""A folder of the base: path, mode, user, group."""


@dataclass(frozen=True, slots=True)
class Occupied:
    """What of a base has to go, as paths (a folder stands for all in it), and its folders."""

    gone: tuple[str, ...] = ()
    folders: tuple[Folder, ...] = ()

    def clearing(self) -> Layer:
        """A layer that hides what has to go, and nothing else."""
        hidden = []
        for path in self.gone:
            folder, _, name = path.rpartition("/")
            hidden.append(Entry(path=f"{folder}/{WHITEOUT}{name}"))
        hidden.sort(key=lambda entry: sort_key(entry.path))
        return Layer(entries=self.kept(with_parents(hidden)), epoch=EARLIEST)

    def kept(self, entries: Iterable[Entry]) -> Iterable[Entry]:
        """The entries, with the folders of the base as the base has them."""
        known = {path: (mode, uid, gid) for path, mode, uid, gid in self.folders}
        for entry in entries:
            if entry.kind is Kind.DIRECTORY and entry.path in known:
                mode, uid, gid = known[entry.path]
                yield Entry(
                    path=entry.path, kind=entry.kind, mode=mode, uid=uid, gid=gid, mtime=entry.mtime
                )
            else:
                yield entry


def room_for(
    plan: ImagePlan,
    store: Store,
    layers: Sequence[BuiltLayer],
    file_of: Callable[[Descriptor], Path],
) -> Occupied:
    """What the base has where a plan's wheels go; nothing when that is an environment of ours.

    ``file_of`` is asked for the base's layers only when they were not read before.
    """
    for step in plan.steps:
        if isinstance(step, WheelsStep | SourceWheelStep) and not step.prefix and layers:
            return _occupied(store, layers, file_of, scheme_of(step), step.replaces)
    return Occupied()


def scheme_of(step: WheelsStep | SourceWheelStep) -> Scheme:
    """Where a step's wheels go."""
    if step.prefix:
        return Scheme.of_venv(step.prefix, step.python.version)
    return Scheme.of_interpreter(step.python.executable, step.python.version)


def _occupied(
    store: Store,
    layers: Sequence[BuiltLayer],
    file_of: Callable[[Descriptor], Path],
    scheme: Scheme,
    names: Sequence[PipName],
) -> Occupied:
    """Remembered by the base's diff IDs."""
    parts = [*(layer.diff_id for layer in layers), scheme.site_packages, *names]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    known = store.record(_RECORDS, key)
    if isinstance(known, list) and len(known) == 2:
        return Occupied(tuple(known[0]), tuple((p, m, u, g) for p, m, u, g in known[1]))
    found = _Found(scheme)
    for layer in layers:
        found.read(layer.descriptor, file_of(layer.descriptor))
    result = Occupied(tuple(found.gone(frozenset(names))), tuple(found.folders()))
    store.keep_record(_RECORDS, key, [result.gone, result.folders])
    return result


@dataclass(slots=True)
class _Found:
    """The paths of a base below a scheme's prefix, over all its layers."""

    scheme: Scheme
    paths: dict[str, Entry] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)

    def read(self, descriptor: Descriptor, path: Path) -> None:
        with open_layer(path, descriptor.media_type) as tar:
            self._read(tar, descriptor.digest)

    def _read(self, tar: Readable | IO[bytes], where: str) -> None:
        prefix = f"{self.scheme.prefix}/" if self.scheme.prefix else ""
        above = {self.scheme.prefix, *parents(self.scheme.prefix)}
        hidden: list[str] = []
        added: dict[str, Entry] = {}
        for entry in read_tar(tar, where=where):
            folder, _, name = entry.path.rpartition("/")
            if name == OPAQUE:
                hidden.append(f"{folder}/" if folder else "")
            elif name.startswith(WHITEOUT):
                gone = posixpath.join(folder, name.removeprefix(WHITEOUT))
                hidden += [f"{gone}/", gone]
            elif entry.path.startswith(prefix) or entry.path in above:
                added[entry.path] = entry
                if entry.path.endswith(f"{_INFO}/RECORD") and entry.size <= _LARGEST_RECORD:
                    self.records[entry.path] = b"".join(entry.content)
        # A layer hides what lies below it, never its own members (layer.md).
        for path in [path for path in self.paths if _is_hidden(path, hidden)]:
            del self.paths[path]
        for path, entry in added.items():
            before = self.paths.get(path)
            if before is not None and before.kind is Kind.DIRECTORY is not entry.kind:
                for below in [other for other in self.paths if other.startswith(f"{path}/")]:
                    del self.paths[below]
            self.paths[path] = entry

    def folders(self) -> list[Folder]:
        """The folders on the way to where wheels go, as the base has them."""
        scheme = self.scheme
        places = (scheme.site_packages, scheme.scripts, scheme.headers)
        wanted = {path for place in places for path in (place, *parents(place))}
        found = ((path, self.paths[path]) for path in sorted(wanted) if path in self.paths)
        return [
            (path, entry.mode, entry.uid, entry.gid)
            for path, entry in found
            if entry.kind is Kind.DIRECTORY
        ]

    def gone(self, names: frozenset[PipName]) -> list[str]:
        """The paths to hide for the distributions of these names, outermost only."""
        site = f"{self.scheme.site_packages}/"
        dead: set[str] = set()
        inside = (path.removeprefix(site) for path in self.paths if path.startswith(site))
        # Not every tar has an entry for a folder.
        for inner in sorted({path.partition("/")[0] for path in inside}):
            path = f"{site}{inner}"
            if not inner.endswith((_INFO, _EGG)) or _name_of(inner) not in names:
                continue
            if inner.endswith(_EGG):
                raise BuildError(
                    "the base installed it without a list of its files, so it cannot be replaced",
                    where=f"/{path}",
                    hint="leave `python-exec` away, or take it out of the base",
                )
            dead |= {other for other in self.paths if other.startswith(f"{path}/")}
            dead |= set(self._listed(path)) & self.paths.keys()
        kept = {self.scheme.site_packages, self.scheme.scripts, self.scheme.headers}
        return _outermost(dead, self.paths, kept)

    def _listed(self, info: str) -> Iterable[str]:
        text = self.records.get(f"{info}/RECORD", b"").decode("utf-8", "replace")
        for row in csv.reader(text.splitlines()):
            if row:
                place = posixpath.join(f"/{self.scheme.site_packages}", row[0])
                yield posixpath.normpath(place).strip("/")


def _is_hidden(path: str, hidden: list[str]) -> bool:
    return any(path.startswith(one) if one.endswith("/") or not one else path == one
               for one in hidden)  # fmt: skip


def _name_of(folder: str) -> str:
    """The distribution of ``Name-1.0.dist-info`` (PEP 376, PEP 427)."""
    try:
        return pip_name(folder.rpartition(".")[0].split("-")[0])
    except ValueError:
        return ""


def _outermost(dead: set[str], paths: dict[str, Entry], kept: set[str]) -> list[str]:
    """The dead paths, with each folder that holds nothing else in place of what it holds.

    Folders in ``kept`` stay, even when they hold nothing.
    """
    files = {path for path in dead if paths[path].kind is not Kind.DIRECTORY}
    alive = kept | {folder for path in kept for folder in parents(path)}
    alive |= {
        folder
        for path, entry in paths.items()
        if path not in files and entry.kind is not Kind.DIRECTORY
        for folder in parents(path)
    }
    found: set[str] = set()
    for path in files:
        whole = next((folder for folder in parents(path) if folder not in alive), path)
        found.add(whole)
    return sorted(found, key=sort_key)
