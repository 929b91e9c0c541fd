"""poetry.lock and pdm.lock: packages with groups, whose project is described in pyproject.toml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from imagelock.model.names import PipName, pip_name
from imagelock.spec.other_locks.choosing import Choosing, normal_name
from imagelock.spec.other_locks.pins import (
    Pin,
    Taken,
    hashes_of,
    normal,
    not_from_an_index,
    plain_marker,
    reached,
    sha256_of,
)
from imagelock.spec.other_locks.places import git_place, path_place, with_hash
from imagelock.spec.other_locks.pyproject import Required, beside, names_of, required
from imagelock.spec.other_locks.sheet import Node, OpenSheet, Sheet, unknown_version

_POETRY_GROUP: Final = "main"
_PDM_GROUP: Final = "default"
_OTHERS: Final = ("hg", "svn", "bzr")


def read_poetry(sheet: Sheet, open_sheet: OpenSheet, choosing: Choosing, *, folder: str) -> Taken:
    """The main group of a poetry.lock and what is chosen, as Poetry 1.1 and later write it.

    ``folder`` is the lock's, relative to the spec's.
    """
    lock = sheet.root
    metadata = lock.table("metadata")
    version = metadata.text("lock-version", "none")
    if version not in {"1.1", "1.2"} and not version.startswith("2."):
        raise unknown_version(metadata, "lock-version", version, "1.1 to 2.x")
    listed = metadata.table("files")
    project = required(beside(lock, open_sheet, "pyproject.toml"), choosing)
    groups = {_POETRY_GROUP, *choosing.groups}
    placed: list[str] = []
    pins: list[Pin] = []
    for node in _reachable(sheet, project.lines, groups):
        with sheet.collecting():
            files = node.tables("files") or listed.tables(node.text("name"))
            marker = plain_marker(
                node, _poetry_marker(node, groups), key="markers", choosing=choosing
            )
            if marker is None:
                continue
            place = _poetry_place(node.table("source"), files, folder)
            if place:
                placed.append(_placed(node, place, marker))
            else:
                pins.append(_pin(node, files, marker))
    _check_places(sheet, project, pins)
    return Taken(
        requirements=(*project.lines, *placed),
        pins=tuple(pins),
        requires_python=_python_versions(metadata),
    )


def _python_versions(metadata: Node) -> str:
    """Poetry's spelling of the Pythons a lock is for, as a specifier; empty if it has several."""
    from imagelock.spec.other_locks.pyproject import poetry_specifier

    return poetry_specifier(metadata.text("python-versions", "*")) or ""


def _poetry_marker(node: Node, groups: set[str]) -> str:
    """A package's marker, which holds where that of any of the groups does."""
    markers = node.value.get("markers", "")
    if isinstance(markers, dict):
        own = [group for group in node.texts("groups") or (_POETRY_GROUP,) if _in(group, groups)]
        each = [markers.get(group, "") for group in own]
        if not all(isinstance(text, str) for text in each):
            raise node.wrong("expected a marker, or one for each group", key="markers")
        return " or ".join(f"({text})" for text in each) if all(each) else ""
    if not isinstance(markers, str):
        raise node.wrong("expected a marker, or one for each group", key="markers")
    return markers


def _poetry_place(source: Node, files: tuple[Node, ...], folder: str) -> str:
    """Where a package is that no index gives; empty for one of an index."""
    kind = source.text("type", "legacy")
    if kind == "legacy":
        return ""
    url = source.text("url")
    match kind:
        case "git":
            inner = source.text("subdirectory", "")
            commit = source.text("resolved_reference", "none")
            return git_place(source, url, commit, folder=folder, subfolder=inner)
        case "url":
            return with_hash(url, _only_hash(files, url))
        case "file":
            return path_place(url, folder=folder, sha256=_only_hash(files, url))
        case "directory":
            return path_place(url, folder=folder)
    raise not_from_an_index(source, kind, key="type")


def _only_hash(files: tuple[Node, ...], url: str) -> str:
    """The hash of the file that a URL or path names; empty where the lock gives none."""
    name = unquote(url.rpartition("/")[2])
    found = [file for file in files if file.text("file", "") == name]
    return sha256_of(found[0], found[0].text("hash")) if found else ""


def _check_places(sheet: Sheet, project: Required, pins: list[Pin]) -> None:
    """What the project takes from elsewhere, its lock must not take from an index."""
    for pin in pins:
        if pin.name in project.elsewhere and not pin.markers:
            with sheet.collecting():
                raise pin.node.wrong(
                    f"{pin.name} is locked from an index, and the project takes it from elsewhere",
                    hint="lock again with the tool that wrote this",
                )


def _placed(node: Node, place: str, marker: str) -> str:
    return normal(node, f"{node.name()} @ {place}" + (f" ; {marker}" if marker else ""))


def read_pdm(sheet: Sheet, open_sheet: OpenSheet, choosing: Choosing, *, folder: str) -> Taken:
    """The default group of a pdm.lock and what is chosen, version 4; extras are groups of it."""
    lock = sheet.root
    metadata = lock.table("metadata")
    version = metadata.text("lock_version", "none")
    if not version.startswith("4."):
        raise unknown_version(metadata, "lock_version", version, "4.x")
    project = required(beside(lock, open_sheet, "pyproject.toml"), choosing)
    placed: list[str] = []
    pins: list[Pin] = []
    for node in _reachable(sheet, project.lines, {_PDM_GROUP, *choosing.groups, *choosing.extras}):
        with sheet.collecting():
            marker = plain_marker(node, node.text("marker", ""), key="marker", choosing=choosing)
            if marker is None:
                continue
            place = _pdm_place(node, folder)
            if place:
                placed.append(_placed(node, place, marker))
            else:
                pins.append(_pin(node, node.tables("files"), marker))
    _check_places(sheet, project, pins)
    pythons = {table.text("requires_python", "") for table in metadata.tables("targets")}
    return Taken(
        requirements=(*project.lines, *placed),
        pins=tuple(pins),
        requires_python=pythons.pop() if len(pythons) == 1 else "",
    )


def _pdm_place(node: Node, folder: str) -> str:
    """Where a package is that no index gives; empty for one of an index."""
    if "git" in node:
        inner = node.text("subdirectory", "")
        commit = node.text("revision", "none")
        return git_place(node, node.text("git"), commit, folder=folder, subfolder=inner)
    if "url" in node:
        url = node.text("url")
        return with_hash(url, _only_hash(node.tables("files"), url))
    if "path" in node:
        path = node.text("path")
        return path_place(path, folder=folder, sha256=_only_hash(node.tables("files"), path))
    if kind := next((key for key in _OTHERS if key in node), ""):
        raise not_from_an_index(node, kind, key=kind)
    return ""


def _in(group: str, wanted: set[str]) -> bool:
    return group in wanted or normal_name(group) in wanted


def _reachable(sheet: Sheet, lines: tuple[str, ...], wanted: set[str]) -> Iterator[Node]:
    """The locked packages of some groups that the requirements may lead to."""
    packages: dict[PipName, list[Node]] = {}
    edges: dict[PipName, set[PipName]] = {}
    for node in sheet.root.tables("package"):
        with sheet.collecting():
            name = node.name()
            groups = node.texts("groups")
            if not groups or any(_in(group, wanted) for group in groups):
                packages.setdefault(name, []).append(node)
                edges.setdefault(name, set()).update(_dependencies(node))
    for name in sorted(reached(names_of(lines), edges)):
        yield from packages.get(name, ())


def _dependencies(node: Node) -> set[PipName]:
    """The names a package requires: Poetry writes a table of them, PDM PEP 508 lines."""
    value: Any = node.value.get("dependencies", {})
    if isinstance(value, list):
        return names_of(node.texts("dependencies"))
    return {pip_name(name) for name in node.table("dependencies").value}


def _pin(node: Node, files: tuple[Node, ...], marker: str) -> Pin:
    hashes = ((file.text("file", ""), sha256_of(file, file.text("hash"))) for file in files)
    return Pin(
        name=node.name(),
        version=node.text("version"),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=(marker,) if marker else (),
    )
