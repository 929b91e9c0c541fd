"""uv.lock, version 1 of any revision: the project at its root, with the extras and groups chosen.

Packages from git, from URLs, and members of a workspace become requirements by their place.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final

from imagelock.model.names import PipName
from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.choosing import Choosing
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
_CHANGED_BY: Final = ("excludes", "dependency-metadata")
"""Keys of the manifest that make packages require something else than they say themselves."""

Key = tuple[PipName, str]


def read_uv(sheet: Sheet, choosing: Choosing, *, folder: str) -> Taken:
    """What uv would install for the project itself, leaving out the project.

    ``folder`` is the lock's, relative to the spec's.
    """
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
    edges = {key: tuple(_dependencies(node, packages, choosing)) for key, node in packages.items()}
    pins = []
    requirements: list[str] = []
    for key in sorted(reached(roots, edges) - set(roots)):
        with sheet.collecting():
            place = _place(packages[key], folder)
            if place:
                requirements.append(normal(packages[key], f"{key[0]} @ {place}", key="source"))
            elif "virtual" not in packages[key].table("source"):
                pins.append(_pin(packages[key]))
    for node in roots.values():
        with sheet.collecting():
            requirements += _requirements(node, choosing)
    overrides: list[str] = []
    for table in lock.table("manifest").tables("overrides"):
        with sheet.collecting():
            overrides.append(_override(table))
    return Taken(
        requirements=tuple(requirements),
        pins=tuple(pins),
        requires_python=lock.text("requires-python", ""),
        overrides=tuple(overrides),
    )


def _override(table: Node) -> str:
    line = _line(table, (), table.text("specifier", ""))
    marker = plain_marker(table, table.text("marker", ""), key="marker")
    return normal(table, with_marker(line, marker or ""))


def _place(node: Node, folder: str) -> str:
    """Where a package is that no index gives; empty for one of an index."""
    source = node.table("source")
    if "git" in source:
        url, _, commit = source.text("git").partition("#")
        plain, _, query = url.partition("?")
        inner = dict(item.partition("=")[::2] for item in query.split("&") if item)
        subfolder = f"#subdirectory={inner['subdirectory']}" if "subdirectory" in inner else ""
        return f"git+{plain}@{commit}{subfolder}"
    if "url" in source:
        return source.text("url")
    for kind in ("editable", "directory", "path"):
        if kind in source:
            return "./" + posixpath.normpath(posixpath.join(folder, source.text(kind)))
    return ""


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


def _dependencies(node: Node, packages: Iterable[Key], choosing: Choosing) -> Iterator[Key]:
    """The packages that one may lead to: of the root's extras and groups those that are chosen."""
    tables = list(node.tables("dependencies"))
    if _is_root(node):
        tables += _chosen(node, choosing)
    else:
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


def _chosen(root: Node, choosing: Choosing) -> Iterator[Node]:
    """What the chosen extras and groups of a project need. WrongLockError for one it has not."""
    for key, names in (
        ("optional-dependencies", choosing.extras),
        ("dev-dependencies", choosing.groups),
    ):
        table = root.table(key)
        known = {table.as_name(name, name): name for name in table.value}
        for name in names:
            if name not in known:
                what = "extra" if key == "optional-dependencies" else "group"
                listed = ", ".join(sorted(known)) or "none"
                raise root.wrong(f"expected the {what} '{name}', there is {listed}")
            yield from table.tables(known[PipName(name)])


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


def _requirements(root: Node, choosing: Choosing) -> Iterator[str]:
    """What the project requires, in its own words, else as the lock resolved it."""
    asked: set[PipName] = set()
    for table in root.table("metadata").tables("requires-dist"):
        marker = plain_marker(table, table.text("marker", ""), key="marker")
        if marker is None:
            continue
        asked.add(table.name())
        line = _line(table, table.texts("extras"), table.text("specifier", ""))
        yield normal(table, with_marker(line, marker))
    for table in (*root.tables("dependencies"), *_chosen(root, choosing)):
        marker = plain_marker(table, table.text("marker", ""), key="marker")
        if marker is not None and table.name() not in asked:
            line = _line(table, table.texts("extra"), "")
            yield normal(table, with_marker(line, marker))


def _line(table: Node, extras: tuple[str, ...], specifier: str) -> str:
    bracketed = f"[{','.join(extras)}]" if extras else ""
    return f"{table.name()}{bracketed} {specifier}"
