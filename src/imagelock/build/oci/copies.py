"""Files of the host as entries of a layer: modes by the x bit alone, owners and times fixed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from imagelock.build.oci.ignore import Ignore
from imagelock.build.oci.modules import loaded_modules
from imagelock.fetch.store import file_chunks
from imagelock.layers.entries import Entry, Kind, parents, sort_key
from imagelock.model.errors import Problem, SpecError
from imagelock.model.spec import CopyRule, SourceMode, SourceRule

BYTECODE: Final = "__pycache__"
"""Never copied: what is in it depends on who imported what, and when."""


def copied_entries(folder: Path, rules: Iterable[CopyRule]) -> list[Entry]:
    """What the rules copy, sorted by target. A later rule wins where two write the same path.

    SpecError for a source that does not exist, leaves the folder, or links out of it.
    """
    found: dict[str, Entry] = {}
    for number, rule in enumerate(rules):
        place = f"copy[{number}]"
        source = _inside(folder, rule.source, place)
        found |= {entry.path: entry for entry in _walk(source, _target(source, rule), place)}
    return [found[path] for path in sorted(found, key=sort_key)]


def source_entries(folder: Path, rule: SourceRule, target: str) -> list[Entry]:
    """The source folder below ``target``, sorted, without what ignore files leave out.

    In the mode ``loaded-modules`` it is the modules that its entries may load. SpecError for a
    root that is no folder below the context or a link that leads out of it.
    """
    root = _inside(folder, rule.root, "source.root")
    if not root.is_dir():
        raise _problem("source.root", f"'{rule.root}' is no folder")
    found = list(_source(root, "", target.strip("/"), Ignore(root)))
    if rule.mode is SourceMode.LOADED_MODULES:
        found = _loaded(found, target.strip("/"), rule)
    return sorted(found, key=lambda entry: sort_key(entry.path))


def _loaded(entries: list[Entry], target: str, rule: SourceRule) -> list[Entry]:
    """The modules among the entries that are loaded, and the folders above them; no links."""
    lead = f"{target}/" if target else ""
    files = {entry.path.removeprefix(lead): entry for entry in entries if entry.kind is Kind.FILE}
    taken = loaded_modules(
        {path: partial(_whole, entry) for path, entry in files.items()}, rule.entry, root=rule.root
    )
    kept = {files[path].path for path in taken}
    kept |= {folder for path in kept for folder in parents(path)}
    return [entry for entry in entries if entry.path in kept]


def _whole(entry: Entry) -> bytes:
    return b"".join(entry.content)


def through_aliases(entries: list[Entry], aliases: Iterable[tuple[str, str]]) -> list[Entry]:
    """The entries where links of the image lead: a folder must not take the place of a link."""
    table = dict(aliases)
    moved: dict[str, Entry] = {}
    for entry in entries:
        top, slash, rest = entry.path.partition("/")
        target = table.get(top)
        if target is None or (not slash and entry.kind is not Kind.DIRECTORY):
            moved[entry.path] = entry
        elif slash:
            path = f"{target}/{rest}"
            moved[path] = replace(entry, path=path)
    return [moved[path] for path in sorted(moved, key=sort_key)]


def _source(root: Path, inner: str, target: str, ignore: Ignore) -> Iterator[Entry]:
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
            below = list(_source(root, path, target, ignore))
            if below:
                yield Entry(path=place, kind=Kind.DIRECTORY, mode=0o755)
                yield from below
        else:
            yield from _walk(child, place, "source.root")


def entries_digest(entries: Iterable[Entry]) -> str:
    """A hash over paths, kinds, modes and contents. Reads the entries up."""
    state = hashlib.sha256()
    for entry in entries:
        content = hashlib.sha256()
        for chunk in entry.content:
            content.update(chunk)
        fields = (entry.path, entry.kind.name, f"{entry.mode:o}", entry.link, content.hexdigest())
        state.update("\0".join(fields).encode("utf-8", "surrogateescape") + b"\n")
    return state.hexdigest()


def _target(source: Path, rule: CopyRule) -> str:
    target = rule.target.strip("/")
    if rule.target.endswith("/") and not source.is_dir():
        return f"{target}/{source.name}".lstrip("/")
    return target


def _walk(source: Path, target: str, place: str) -> Iterator[Entry]:
    status = source.lstat()
    if stat.S_ISDIR(status.st_mode):
        if target:
            yield Entry(path=target, kind=Kind.DIRECTORY, mode=0o755)
        for child in sorted(source.iterdir(), key=lambda item: sort_key(item.name)):
            if child.name != BYTECODE:
                yield from _walk(child, f"{target}/{child.name}".lstrip("/"), place)
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
        raise _problem(place, f"'{source}' is neither file, folder nor link")


def _kept(link: str, target: str, place: str) -> str:
    """A link may lead anywhere in the image, and never above its root."""
    depth = target.count("/")
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 and not link.startswith("/"):
            raise _problem(place, f"the link '{target}' leads out of the image")
    return link


def _inside(folder: Path, source: str, place: str) -> Path:
    path = folder / source
    resolved = path.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise _problem(place, f"'{source}' is outside of the spec's folder")
    if not path.exists():
        raise _problem(place, f"'{source}' does not exist")
    return path


def _problem(place: str, message: str) -> SpecError:
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
