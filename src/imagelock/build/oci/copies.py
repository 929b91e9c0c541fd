"""Files of the host as entries of a layer: modes by the x bit alone, owners and times fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from imagelock.build.oci.modules import loaded_modules
from imagelock.fetch.folders import file_entries, folder_entries, place_problem
from imagelock.layers.entries import Entry, Kind, parents, sort_key
from imagelock.model.spec import CopyRule, SourceMode, SourceRule


def copied_entries(folder: Path, rules: Iterable[CopyRule]) -> list[Entry]:
    """What the rules copy, sorted by target. A later rule wins where two write the same path.

    SpecError for a source that does not exist, leaves the folder, or links out of it.
    """
    found: dict[str, Entry] = {}
    for number, rule in enumerate(rules):
        place = f"copy[{number}]"
        source = _inside(folder, rule.source, place)
        found |= {entry.path: entry for entry in file_entries(source, _target(source, rule), place)}
    return [found[path] for path in sorted(found, key=sort_key)]


def source_entries(folder: Path, rule: SourceRule, target: str) -> list[Entry]:
    """The source folder below ``target``, sorted, without what ignore files leave out.

    In the mode ``loaded-modules`` it is the modules that its entries may load. SpecError for a
    root that is no folder below the context or a link that leads out of it.
    """
    root = _inside(folder, rule.root, "source.root")
    if not root.is_dir():
        raise place_problem("source.root", f"'{rule.root}' is no folder")
    found = folder_entries(root, target.strip("/"), "source.root")
    if rule.mode is SourceMode.LOADED_MODULES:
        found = _loaded(found, target.strip("/"), rule)
    return found


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


def _inside(folder: Path, source: str, place: str) -> Path:
    path = folder / source
    resolved = path.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise place_problem(place, f"'{source}' is outside of the spec's folder")
    if not path.exists():
        raise place_problem(place, f"'{source}' does not exist")
    return path
