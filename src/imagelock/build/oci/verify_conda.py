"""The conda packages of an image against its lock, by what its conda-meta says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from imagelock.build.oci.contents import Contents
from imagelock.build.oci.verify_finding import Finding
from imagelock.model.lock import CONDA_PREFIX, Lock
from imagelock.model.platform import Platform

_META: Final = f"{CONDA_PREFIX.strip('/')}/conda-meta/"


def conda_findings(lock: Lock, platform: Platform, contents: Contents) -> Iterator[Finding]:
    """Packages that are missing, others, or not as linked; nothing where the lock has no conda."""
    wanted = {
        pin.name: f"{pin.version} {pin.build}" for pin in lock.conda if platform in pin.platforms
    }
    if not wanted:
        return
    installed: dict[str, tuple[str, dict[str, Any]]] = {}
    for path, data in sorted(contents.texts.items()):
        if path.startswith(_META):
            record = _record(data)
            label = f"{record.get('version', '')} {record.get('build', '')}"
            installed[str(record.get("name", path))] = (label, record)
    for name in sorted(wanted.keys() | installed.keys()):
        expected = wanted.get(name, "")
        found, record = installed.get(name, ("", {}))
        if expected != found:
            yield Finding(kind="conda", name=name, expected=expected, found=found)
        else:
            yield from _files(record, contents)


def _files(record: dict[str, Any], contents: Contents) -> Iterator[Finding]:
    paths = record.get("paths_data")
    listed = paths.get("paths") if isinstance(paths, dict) else None
    for entry in listed or ():
        if entry.get("path_type") == "directory":
            continue
        place = f"{CONDA_PREFIX}/{entry.get('_path', '')}"
        found = contents.paths.get(place.strip("/"))
        expected = str(entry.get("sha256_in_prefix") or entry.get("sha256") or "")
        if found is None:
            yield Finding(kind="file", name=place, expected=f"sha256:{expected}", found="")
        elif entry.get("path_type") != "softlink" and found.sha256 != expected:
            now = f"sha256:{found.sha256}" if found.sha256 else str(found.kind.name).lower()
            yield Finding(kind="file", name=place, expected=f"sha256:{expected}", found=now)


def _record(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
