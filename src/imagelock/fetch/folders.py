"""Files and folders of the host as entries: modes by the x bit alone, owners and times fixed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from imagelock.fetch.ignore import Ignore
from imagelock.fetch.store import file_chunks
from imagelock.layers.entries import Entry, Kind, sort_key
from imagelock.model.errors import Problem, SpecError

BYTECODE: Final = "__pycache__"
"""Never copied: what is in it depends on who imported what, and when."""


def folder_entries(root: Path, target: str, place: str) -> list[Entry]:
    """A folder's members below ``target``, sorted, without what its ignore files leave out.

    ``place`` names the spec's key in a SpecError: for what is no file, folder or link, and for a
    link that leads above the root.
    """
    found = list(_source(root, "", target, Ignore(root), place))
    return sorted(found, key=lambda entry: sort_key(entry.path))


def _source(root: Path, inner: str, target: str, ignore: Ignore, where: str) -> Iterator[Entry]:
    """The members of a folder that are not ignored; a folder without any is left out."""
    ignore.enter(inner)
    children = sorted((root / inner).iterdir(), key=lambda item: sort_key(item.name))
    for child in children:
        path = f"{inner}/{child.name}".lstrip("/")
        place = f"{target}/{path}".lstrip("/")
        is_folder = child.is_dir() and not child.is_symlink()
        ignored = ignore.leaves_out(path, is_folder=is_folder)
        if ignored and not (is_folder and ignore.keeps_again):
            continue
        if is_folder:
            below = list(_source(root, path, target, ignore, where))
            if below:
                yield Entry(path=place, kind=Kind.DIRECTORY, mode=0o755)
                yield from below
        else:
            yield from file_entries(child, place, where)


def file_entries(source: Path, target: str, place: str) -> Iterator[Entry]:
    """A file, a link or a whole folder at ``target``; as :func:`folder_entries`, unsorted."""
    status = source.lstat()
    if stat.S_ISDIR(status.st_mode):
        if target:
            yield Entry(path=target, kind=Kind.DIRECTORY, mode=0o755)
        for child in sorted(source.iterdir(), key=lambda item: sort_key(item.name)):
            if child.name != BYTECODE:
                yield from file_entries(child, f"{target}/{child.name}".lstrip("/"), place)
    elif stat.S_ISLNK(status.st_mode):
        link = os.readlink(source)  # noqa: PTH115 — a Path would change the text
        yield Entry(path=target, kind=Kind.SYMLINK, mode=0o777, link=_kept(link, target, place))
    elif stat.S_ISREG(status.st_mode):
        yield Entry(
            path=target,
            mode=0o755 if status.st_mode & 0o100 else 0o644,
            size=status.st_size,
            content=_content(source),
        )
    else:
        raise place_problem(place, f"'{source}' is neither file, folder nor link")


def _kept(link: str, target: str, place: str) -> str:
    """A link may lead anywhere in the image, and never above its root."""
    depth = target.count("/")
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 and not link.startswith("/"):
            raise place_problem(place, f"the link '{target}' leads out of the image")
    return link


def place_problem(place: str, message: str) -> SpecError:
    """What is wrong with a place of the spec."""
    return SpecError((Problem(source="spec", line=0, column=0, path=place, message=message),))


class _Content:
    """A file's bytes, opened when they are asked for and as often."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from file_chunks(file)


def _content(path: Path) -> Iterable[bytes]:
    return _Content(path)
