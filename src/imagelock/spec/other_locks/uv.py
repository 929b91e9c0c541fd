"""uv.lock, version 1 of any revision: the project at its root, without extras and groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from imagelock.model.names import PipName
from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.pins import (
    Pin,
    Taken,
    hashes_of,
    normal,
    not_from_an_index,
    not_held,
    plain_marker,
    reached,
    sha256_of,
    with_marker,
)
from imagelock.spec.other_locks.sheet import Node, Sheet, unknown_version

_VERSION: Final = 1
_ROOT_SOURCES: Final = ("virtual", "editable", "directory")
_CHANGED_BY: Final = ("overrides", "excludes", "dependency-metadata")
"""Keys of the manifest that make packages require something else than they say themselves."""

Key = tuple[PipName, str]


def read_uv(sheet: Sheet) -> Taken:
    """What uv would install by default for the project itself, leaving out the project."""
    lock = sheet.root
    if lock.value.get("version") != _VERSION:
        raise unknown_version(lock, "version", lock.value.get("version"), str(_VERSION))
    _check_manifest(lock, sheet)
    packages = _by_key(lock, sheet)
    sheet.check()
    roots = {key: node for key, node in packages.items() if _is_root(node)}
    if not roots:
        hint = "lock the one project that the image is for, or export it as a requirements file"
        raise lock.wrong("expected a project at the root of the workspace, got none", hint=hint)
    edges = {key: tuple(_dependencies(node, packages)) for key, node in packages.items()}
    pins = []
    for key in sorted(reached(roots, edges) - set(roots)):
        with sheet.collecting():
            pins.append(_pin(packages[key]))
    requirements: list[str] = []
    for node in roots.values():
        with sheet.collecting():
            requirements += _requirements(node)
    return Taken(
        requirements=tuple(requirements),
        pins=tuple(pins),
        requires_python=lock.text("requires-python", ""),
    )


def _check_manifest(lock: Node, sheet: Sheet) -> None:
    manifest = lock.table("manifest")
    for key in _CHANGED_BY:
        if key in manifest:
            with sheet.collecting():
                raise manifest.wrong(
                    f"a lock with {key} of uv is not supported yet",
                    key=key,
                    hint="export it as a requirements file, and repeat them in the spec",
                )


def _by_key(lock: Node, sheet: Sheet) -> dict[Key, Node]:
    found: dict[Key, Node] = {}
    for node in lock.tables("package"):
        with sheet.collecting():
            found[node.name(), node.text("version", "")] = node
    return found


def _is_root(node: Node) -> bool:
    source = node.table("source")
    return any(source.value.get(kind) == "." for kind in _ROOT_SOURCES)


def _dependencies(node: Node, packages: Iterable[Key]) -> Iterator[Key]:
    """The packages that one may lead to: those of its extras count, the root's do not."""
    tables = list(node.tables("dependencies"))
    if not _is_root(node):
        extras = node.table("optional-dependencies")
        for extra in extras.value:
            tables += extras.tables(extra)
    for table in tables:
        name, version = table.name(), table.text("version", "")
        if plain_marker(table, table.text("marker", "")) is None:
            continue
        found = [key for key in packages if key[0] == name and version in ("", key[1])]
        if not found:
            raise not_held(table, name)
        yield from found


def _pin(node: Node) -> Pin:
    source = node.table("source")
    if "registry" not in source:
        kind = next(iter(source.value), "an unknown source")
        raise not_from_an_index(node, kind, key="source")
    registry = source.text("registry")
    if not registry.startswith(("https://", "http://")):
        raise source.wrong(
            f"a folder of wheels, {quoted(registry)}, is not supported yet", key="registry"
        )
    files = list(node.tables("wheels"))
    files += [node.table("sdist")] if "sdist" in node else []
    hashes = [
        (_filename(file), sha256_of(file, file.text("hash"))) for file in files if "hash" in file
    ]
    markers = [
        plain_marker(node, text, key="resolution-markers")
        for text in node.texts("resolution-markers")
    ]
    return Pin(
        name=node.name(),
        version=node.text("version"),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=tuple(marker for marker in markers if marker is not None),
    )


def _filename(file: Node) -> str:
    return file.text("url", file.text("filename", file.text("path", ""))).rpartition("/")[2]


def _requirements(root: Node) -> Iterator[str]:
    """What the project requires, in its own words, else as the lock resolved it."""
    asked: set[PipName] = set()
    for table in root.table("metadata").tables("requires-dist"):
        marker = plain_marker(table, table.text("marker", ""), key="marker")
        if marker is None:
            continue
        asked.add(table.name())
        line = _line(table, table.texts("extras"), table.text("specifier", ""))
        yield normal(table, with_marker(line, marker))
    for table in root.tables("dependencies"):
        marker = plain_marker(table, table.text("marker", ""), key="marker")
        if marker is not None and table.name() not in asked:
            line = _line(table, table.texts("extra"), "")
            yield normal(table, with_marker(line, marker))


def _line(table: Node, extras: tuple[str, ...], specifier: str) -> str:
    bracketed = f"[{','.join(extras)}]" if extras else ""
    return f"{table.name()}{bracketed} {specifier}"
