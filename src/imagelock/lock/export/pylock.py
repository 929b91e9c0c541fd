"""A lock's pip packages as a pylock.toml (PEP 751)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imagelock.lock.export.entries import (
    Entry,
    entries_of,
    index_urls,
    platforms_marker,
    pythons_of,
)
from imagelock.model.archives import (
    Artifact,
    archive_url,
    artifact_url,
    is_local,
    is_repository,
    local_path,
)
from imagelock.model.lock import Lock
from imagelock.model.toml import field_lines, flat_table


def export_pylock(lock: Lock) -> str:
    """The pip packages of all platforms, each file with its URL, size and sha256.

    It installs on the platforms of the lock alone (``environments``), with the series of its
    Python (``requires-python``): the files were chosen for these.
    """
    lines = field_lines("lock-version", "1.0")
    lines += field_lines(
        "environments", [platforms_marker([platform]) for platform in lock.platforms]
    )
    if series := _series(pythons_of(lock, lock.platforms)):
        lines += field_lines("requires-python", series)
    lines += [*field_lines("created-by", "imagelock"), ""]
    for entry in entries_of(lock, None):
        lines += flat_table("[[packages]]", _package(lock, entry))
    return "".join(f"{line}\n" for line in lines[:-1])


def _series(pythons: Iterable[str]) -> str:
    """``==3.11.*`` for 3.11.2; where platforms have different ones, from the oldest on."""
    parts = sorted({tuple(map(int, re.findall(r"\d+", text)[:2])) for text in pythons})
    series = [".".join(map(str, part)) for part in parts]
    if not series:
        return ""
    return f"=={series[0]}.*" if len(series) == 1 else f">={series[0]}"


def _package(lock: Lock, entry: Entry) -> dict[str, object]:
    table: dict[str, object] = {"name": entry.name, "version": entry.version}
    if entry.marker:
        table["marker"] = entry.marker
    files = [pin.artifact for pin in entry.pins]
    if entry.direct:
        return table | _direct(lock, files[0])
    main, extra = index_urls(lock)
    if not extra:
        table["index"] = main
    wheels = [_file(lock, file) for file in files if file.is_wheel]
    sdists = [_file(lock, file) for file in files if not file.is_wheel]
    if sdists:
        table["sdist"] = sdists[0]
    if wheels:
        table["wheels"] = wheels
    return table


def _direct(lock: Lock, file: Artifact) -> dict[str, object]:
    """What the spec names itself: a commit, a folder or a file."""
    root = archive_url(file.archive, lock.archives)
    if is_repository(root):
        commit, _, folder = file.path.partition("/")
        address = root.removeprefix("git+")
        place = {"path": local_path(address)} if is_local(address) else {"url": address}
        inner = {"subdirectory": folder} if folder else {}
        return {"vcs": {"type": "git", **place, "commit-id": commit, **inner}}
    if file.path == ".":
        return {"directory": {"path": local_path(root)}}
    return {"archive": _file(lock, file)}


def _file(lock: Lock, file: Artifact) -> dict[str, object]:
    url = artifact_url(file, lock.archives)
    return {
        **({"path": local_path(url)} if is_local(url) else {"url": url}),
        "size": file.size,
        "hashes": {"sha256": file.sha256},
    }
