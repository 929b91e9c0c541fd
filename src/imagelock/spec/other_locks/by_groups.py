"""poetry.lock and pdm.lock: packages with groups, whose project is described in pyproject.toml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from imagelock.model.names import PipName, pip_name
from imagelock.spec.other_locks.pins import (
    Pin,
    Taken,
    hashes_of,
    not_from_an_index,
    plain_marker,
    reached,
    sha256_of,
)
from imagelock.spec.other_locks.pyproject import beside, names_of, required
from imagelock.spec.other_locks.sheet import Node, OpenSheet, Sheet, unknown_version

_POETRY_GROUP: Final = "main"
_PDM_GROUP: Final = "default"
_LOCAL_KEYS: Final = ("path", "url", "git", "hg", "svn", "editable")


def read_poetry(sheet: Sheet, open_sheet: OpenSheet) -> Taken:
    """The main group of a poetry.lock, as Poetry 1.1 and later write it."""
    lock = sheet.root
    metadata = lock.table("metadata")
    version = metadata.text("lock-version", "none")
    if version not in {"1.1", "1.2"} and not version.startswith("2."):
        raise unknown_version(metadata, "lock-version", version, "1.1 to 2.x")
    listed = metadata.table("files")
    lines = required(beside(lock, open_sheet, "pyproject.toml"))
    pins: list[Pin] = []
    for node in _reachable(sheet, lines, _POETRY_GROUP):
        with sheet.collecting():
            source = node.table("source")
            kind = source.text("type", "legacy")
            if kind != "legacy":
                raise not_from_an_index(node, kind, key="source")
            files = node.tables("files") or listed.tables(node.text("name"))
            pins += _pin(node, files, _poetry_marker(node))
    return Taken(
        requirements=lines,
        pins=tuple(pins),
        requires_python=_python_versions(metadata),
    )


def _python_versions(metadata: Node) -> str:
    """Poetry's spelling of the Pythons a lock is for, as a specifier; empty if it has several."""
    from imagelock.spec.other_locks.pyproject import poetry_specifier

    return poetry_specifier(metadata.text("python-versions", "*")) or ""


def _poetry_marker(node: Node) -> str:
    markers = node.value.get("markers", "")
    if isinstance(markers, dict):
        markers = markers.get(_POETRY_GROUP, "")
    if not isinstance(markers, str):
        raise node.wrong("expected a marker, or one for each group", key="markers")
    return markers


def read_pdm(sheet: Sheet, open_sheet: OpenSheet) -> Taken:
    """The default group of a pdm.lock, version 4."""
    lock = sheet.root
    metadata = lock.table("metadata")
    version = metadata.text("lock_version", "none")
    if not version.startswith("4."):
        raise unknown_version(metadata, "lock_version", version, "4.x")
    lines = required(beside(lock, open_sheet, "pyproject.toml"))
    pins: list[Pin] = []
    for node in _reachable(sheet, lines, _PDM_GROUP):
        with sheet.collecting():
            if kind := next((key for key in _LOCAL_KEYS if key in node), ""):
                raise not_from_an_index(node, kind, key=kind)
            pins += _pin(node, node.tables("files"), node.text("marker", ""))
    pythons = {table.text("requires_python", "") for table in metadata.tables("targets")}
    return Taken(
        requirements=lines,
        pins=tuple(pins),
        requires_python=pythons.pop() if len(pythons) == 1 else "",
    )


def _reachable(sheet: Sheet, lines: tuple[str, ...], group: str) -> Iterator[Node]:
    """The locked packages of a group that the requirements may lead to."""
    packages: dict[PipName, list[Node]] = {}
    edges: dict[PipName, set[PipName]] = {}
    for node in sheet.root.tables("package"):
        with sheet.collecting():
            name = node.name()
            if group in (node.texts("groups") or (group,)):
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


def _pin(node: Node, files: tuple[Node, ...], marker: str) -> Iterator[Pin]:
    """The pin of a package, or none if its marker asks for an extra."""
    plain = plain_marker(node, marker, key="marker" if "marker" in node else "markers")
    if plain is None:
        return
    hashes = ((file.text("file", ""), sha256_of(file, file.text("hash"))) for file in files)
    yield Pin(
        name=node.name(),
        version=node.text("version"),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=(plain,) if plain else (),
    )
