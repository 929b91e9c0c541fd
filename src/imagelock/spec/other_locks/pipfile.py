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
from imagelock.spec.other_locks.sheet import Node, Sheet, unknown_version

_VERSION: Final = 6
_ELSEWHERE: Final = ("git", "hg", "svn", "bzr", "path", "file", "editable")


def read_pipfile(sheet: Sheet) -> Taken:
    """The packages of the default section; those of others are for development."""
    meta = sheet.root.table("_meta")
    if meta.value.get("pipfile-spec") != _VERSION:
        raise unknown_version(meta, "pipfile-spec", meta.value.get("pipfile-spec"), str(_VERSION))
    default = sheet.root.table("default")
    requirements, pins = [], []
    for name in sorted(default.value):
        with sheet.collecting():
            pin, extras = _pin(default, name)
            pins.append(pin)
            line = f"{pin.name}{extras}=={pin.version}"
            requirements += [
                normal(pin.node, with_marker(line, marker)) for marker in pin.markers or ("",)
            ]
    return Taken(
        requirements=tuple(requirements), pins=tuple(pins), requires_python=_python(meta)
    )  # fmt: skip


def _python(meta: Node) -> str:
    requires = meta.table("requires")
    if exact := requires.text("python_full_version", ""):
        return f"=={exact}"
    minor = requires.text("python_version", "")
    return f"=={minor}.*" if minor and minor != "*" else ""


def _pin(default: Node, name: str) -> tuple[Pin, str]:
    node = default.table(name)
    if kind := next((key for key in _ELSEWHERE if key in node), ""):
        raise not_from_an_index(node, kind, key=kind)
    version = node.text("version")
    if not version.startswith("=="):
        raise node.wrong(f"expected '==' and a version, got {quoted(version)}", key="version")
    marker = plain_marker(node, node.text("markers", ""), key="markers")
    hashes = (("", sha256_of(node, text, "hashes")) for text in node.texts("hashes"))
    extras = ",".join(node.texts("extras"))
    pin = Pin(
        name=default.as_name(name, name),
        version=version.lstrip("="),
        node=node,
        hashes=hashes_of(node, hashes),
        markers=(marker,) if marker else (),
    )
    return pin, f"[{extras}]" if extras else ""
