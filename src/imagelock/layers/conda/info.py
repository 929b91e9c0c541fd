"""What a conda package says of itself: index.json, paths.json, link.json (CEP 34).

Packages older than paths.json list their files in ``files`` and ``has_prefix``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagelock.layers.conda.archive import CondaArchive
from imagelock.layers.entries import Kind, relative_path, unsafe
from imagelock.layers.untar import broken

_OLD_PLACEHOLDER: Final = "/opt/anaconda1anaconda2" + "anaconda3"
"""What a line of has_prefix stands for that names no placeholder of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEntry:
    """One path of a package, as it spells it.

    ``placeholder`` is the build machine's prefix in the file, empty for none; ``binary`` keeps
    the file's size when it is replaced. ``sha256`` is of the content in the archive (of a link, of
    what it led to when it was packed), empty where the package does not say.
    """

    path: str
    kind: Kind = Kind.FILE
    placeholder: str = ""
    binary: bool = False
    sha256: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaInfo:
    """A package's own description. ``noarch`` is ``python``, ``generic`` or empty."""

    name: str
    version: str
    build: str
    subdir: str
    noarch: str
    paths: tuple[PathEntry, ...]
    entry_points: tuple[str, ...] = ()


def read_info(archive: CondaArchive) -> CondaInfo:
    """Read it. IntegrityError for what no honest packer writes."""
    files = archive.info(_enough)
    where = archive.where
    index = _json(files, "info/index.json", where)
    try:
        name, version, build, subdir = (
            _text(index[key]) for key in ("name", "version", "build", "subdir")
        )
    except KeyError as error:
        raise broken(f"info/index.json has no {error}", where) from None
    noarch = _noarch(index.get("noarch"))
    if "info/paths.json" in files:
        paths = tuple(_paths(_json(files, "info/paths.json", where), where))
    else:
        paths = tuple(_old_paths(files, archive))
    if len({entry.path for entry in paths}) != len(paths):
        raise broken("its list of files names one twice", where)
    points: tuple[str, ...] = ()
    if noarch == "python" and "info/link.json" in files:
        link = _json(files, "info/link.json", where).get("noarch")
        listed = link.get("entry_points") if isinstance(link, dict) else None
        points = tuple(_text(point) for point in listed or ())
    return CondaInfo(
        name=name,
        version=version,
        build=build,
        subdir=subdir,
        noarch=noarch,
        paths=paths,
        entry_points=points,
    )


def _enough(files: Mapping[str, bytes]) -> bool:
    """Whether nothing further is needed: an archive of the old form is not read to its end."""
    if "info/index.json" not in files or "info/paths.json" not in files:
        return False
    return b'"noarch"' not in files["info/index.json"] or "info/link.json" in files


def _noarch(value: object) -> str:
    if value is True:  # before noarch had kinds
        return "generic"
    return value if isinstance(value, str) else ""


def _json(files: Mapping[str, bytes], path: str, where: str) -> dict[str, Any]:
    if path not in files:
        raise broken(f"it has no {path}", where)
    try:
        value = json.loads(files[path])
    except (ValueError, RecursionError) as error:
        raise broken(f"{path} cannot be read: {error}", where) from None
    if not isinstance(value, dict):
        raise broken(f"{path} is no JSON object", where)
    return value


def _paths(value: Mapping[str, Any], where: str) -> Iterator[PathEntry]:
    listed = value.get("paths")
    if value.get("paths_version") != 1 or not isinstance(listed, list):
        raise broken("info/paths.json is not of version 1", where)
    kinds = {"hardlink": Kind.FILE, "softlink": Kind.SYMLINK, "directory": Kind.DIRECTORY}
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("_path"), str):
            raise broken("info/paths.json has an entry without a path", where)
        path = _checked_path(item["_path"], where)
        kind = kinds.get(item.get("path_type", "hardlink"))
        size = item.get("size_in_bytes")
        if kind is None:
            raise broken(f"info/paths.json: {path!r} is of no known type", where)
        yield PathEntry(
            path=path,
            kind=kind,
            placeholder=_placeholder(item.get("prefix_placeholder"), where),
            binary=item.get("file_mode") == "binary",
            sha256=_text(item.get("sha256")),
            size=size if isinstance(size, int) and kind is Kind.FILE else None,
        )


def _placeholder(value: object, where: str) -> str:
    text = _text(value)
    if not text.isascii() or "\0" in text:
        raise broken(f"expected an ASCII prefix, got {text[:80]!r}", where)
    return text


def _old_paths(files: Mapping[str, bytes], archive: CondaArchive) -> Iterator[PathEntry]:
    where = archive.where
    if "info/files" not in files:
        raise broken("it has neither info/paths.json nor info/files", where)
    prefixes = dict(_old_prefixes(_lines(files.get("info/has_prefix", b""))))
    links = {entry.path for entry in archive.members() if entry.kind is Kind.SYMLINK}
    for line in _lines(files["info/files"]):
        path = _checked_path(line, where)
        placeholder, mode = prefixes.get(path, ("", ""))
        yield PathEntry(
            path=path,
            kind=Kind.SYMLINK if path in links else Kind.FILE,
            placeholder=placeholder,
            binary=mode == "binary",
        )


def _old_prefixes(lines: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in lines:
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split(maxsplit=2)
        if len(words) == 3 and words[1] in {"text", "binary"}:
            yield words[2], (words[0], words[1])
        else:
            yield line, (_OLD_PLACEHOLDER, "text")


def _checked_path(path: str, where: str) -> str:
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise unsafe(path, "is not a file name", where=where) from None
    if path.startswith("/"):
        raise unsafe(path, "is not a relative path", where=where)
    # A backslash is a letter like others on Linux: only what leads out is refused.
    if "\\" not in path and ":" not in path:
        return relative_path(path, where=where)
    if ".." in path.split("/"):
        raise unsafe(path, "leads out of its folder", where=where)
    return path


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
