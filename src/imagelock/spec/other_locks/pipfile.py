"""Pipfile.lock: its default section, every package of which is asked for by itself."""

from __future__ import annotations

from typing import Final

from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.pins import (
    Pin,
    Taken,
    hashes_of,
    normal,
    not_from_an_index,
    plain_marker,
    sha256_of,
    with_marker,
)
from imagelock.spec.other_locks.places import git_place, path_place, with_hash
from imagelock.spec.other_locks.sheet import Node, Sheet, unknown_version

_VERSION: Final = 6
_OTHERS: Final = ("hg", "svn", "bzr")


def read_pipfile(sheet: Sheet, *, folder: str) -> Taken:
    """The packages of the default section; those of others are for development.

    ``folder`` is the lock's, relative to the spec's.
    """
    meta = sheet.root.table("_meta")
    if meta.value.get("pipfile-spec") != _VERSION:
        raise unknown_version(meta, "pipfile-spec", meta.value.get("pipfile-spec"), str(_VERSION))
    default = sheet.root.table("default")
    requirements, pins = [], []
    for name in sorted(default.value):
        with sheet.collecting():
            node = default.table(name)
            marker = plain_marker(node, node.text("markers", ""), key="markers")
            if marker is None:
                continue
            extras = ",".join(node.texts("extras"))
            line = f"{default.as_name(name, name)}{f'[{extras}]' if extras else ''}"
            if place := _place(node, folder):
                line = f"{line} @ {place} "
            else:
                pins.append(_pin(default, name, marker))
                line = f"{line}=={pins[-1].version}"
            requirements.append(normal(node, with_marker(line, marker)))
    return Taken(
        requirements=tuple(requirements), pins=tuple(pins), requires_python=_python(meta)
    )  # fmt: skip


def _python(meta: Node) -> str:
    requires = meta.table("requires")
    if exact := requires.text("python_full_version", ""):
        return f"=={exact}"
    minor = requires.text("python_version", "")
    return f"=={minor}.*" if minor and minor != "*" else ""


def _place(node: Node, folder: str) -> str:
    """Where a package is that no index gives; empty for one of an index."""
    if kind := next((key for key in _OTHERS if key in node), ""):
        raise not_from_an_index(node, kind, key=kind)
    if "git" in node:
        inner = node.text("subdirectory", "")
        commit = node.text("ref", "none")
        return git_place(node, node.text("git"), commit, folder=folder, subfolder=inner)
    hashes = node.texts("hashes")
    hashed = sha256_of(node, hashes[0], "hashes") if len(hashes) == 1 else ""
    if "file" in node and "://" in node.text("file"):
        return with_hash(node.text("file"), hashed)
    kind = next((key for key in ("path", "file") if key in node), "")
    return path_place(node.text(kind), folder=folder, sha256=hashed) if kind else ""


def _pin(default: Node, name: str, marker: str) -> Pin:
    node = default.table(name)
    version = node.text("version")
    if not version.startswith("=="):
        raise node.wrong(f"expected '==' and a version, got {quoted(version)}", key="version")
    hashes = (("", sha256_of(node, text, "hashes")) for text in node.texts("hashes"))
    return Pin(
        name=default.as_name(name, name),
        version=version.lstrip("="),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=(marker,) if marker else (),
    )
