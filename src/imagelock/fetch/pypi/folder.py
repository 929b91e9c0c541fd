"""Folders of wheels and sdists, and pages of links on disk (pip's ``--find-links``)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from packaging.version import Version

from imagelock.fetch.pypi.pages import Row, Versions, local_row, parse_page
from imagelock.model.archives import local_path, local_reference
from imagelock.model.errors import UsageError
from imagelock.model.names import PipName

_PAGES = (".html", ".htm")


def local_releases(
    place: str, name: PipName, *, folder: Path | None, fits: Callable[[str], bool]
) -> list[Any]:
    """The releases of a project in a folder or on a page, newest first: ``[version, rows]`` each.

    ``place`` is relative to ``folder``. Every file of the project is read for its hash. UsageError
    when the folder itself is not there.
    """
    if folder is None:
        raise UsageError("a folder cannot be found without the spec's", where=place)
    path = local_path(place)
    found = folder / path
    if path.endswith(_PAGES) and found.is_file():
        return list(_page_releases(found, name, folder, fits))
    if not found.is_dir():
        hint = "paths are relative to the spec's folder"
        raise UsageError("there is no such folder of files", where=str(found), hint=hint)
    versions = Versions(name, fits)
    groups: dict[Version, list[Row]] = {}
    for file in sorted(found.iterdir()):
        known = versions.of(file.name)
        if known is not None and file.is_file():
            url = local_reference(path) + quote(file.name)
            groups.setdefault(known[0], []).append(_row(url, file))
    return [[str(version), groups[version]] for version in sorted(groups, reverse=True)]


def _page_releases(
    page: Path, name: PipName, folder: Path, fits: Callable[[str], bool]
) -> Iterator[list[Any]]:
    base = page.resolve().as_uri()
    for version, rows in parse_page(page.read_bytes(), "text/html", base, name, fits=fits):
        yield [version, [_placed(row, folder) for row in rows]]


def _placed(row: Row, folder: Path) -> Row:
    """A file of a page on disk: those beside it by their relative path, others as they are."""
    if not str(row[1]).startswith("file:"):
        return row
    path = Path(unquote(str(row[1]).removeprefix("file://")))
    relative = os.path.relpath(path, folder.resolve()).replace(os.sep, "/")
    parent, _, filename = relative.rpartition("/")
    if not path.is_file():
        raise UsageError("the page links to a file that is not there", where=str(path))
    made = _row(local_reference(parent or ".") + quote(filename), path)
    return [*made[:4], *row[4:]]


def _row(url: str, path: Path) -> Row:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return local_row(path.name, url, digest, path.stat().st_size)
