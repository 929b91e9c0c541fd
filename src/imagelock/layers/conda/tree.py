"""Many conda packages in one prefix: who has a path that several bring, before anything is read.

All from the packages' own lists. What lies below a link of another package goes where the link
leads, as it would on a file system.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imagelock.layers.conda.info import PathEntry
from imagelock.layers.conda.package import META, PlacedPackage
from imagelock.layers.entries import Kind, parents, unsafe
from imagelock.layers.untar import broken

_MOST_LINKS: Final = 40
"""As many as Linux follows on one path (path_resolution(7))."""
_SHOWN: Final = 3
_RECORDS: Final = f"{META}/"
_RECORD_ENDS: Final = (".json", "/history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clobber:
    """Paths that two packages bring with different contents; the winner's are in the image."""

    winner: str
    loser: str
    paths: tuple[str, ...]

    def __str__(self) -> str:
        shown = shown_paths(self.paths, _SHOWN)
        count = f"{len(self.paths)} file" + ("" if len(self.paths) == 1 else "s")
        return f"conda: {self.winner} replaces {count} of {self.loser}: {shown}"


def shown_paths(paths: Iterable[str], most: int) -> str:
    """The first of some paths for a message: what a terminal would obey is spelled out."""
    ordered = sorted(paths)
    shown = [path if path.isprintable() else ascii(path) for path in ordered[:most]]
    return ", ".join(shown) + (", …" if len(ordered) > most else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The packages of a prefix in link order, and the paths each of them loses to a later one."""

    packages: tuple[PlacedPackage, ...]
    lost: tuple[frozenset[str], ...]
    clobbers: tuple[Clobber, ...]


def make_tree(
    packages: Sequence[PlacedPackage], leads_to: Callable[[PlacedPackage, str, PathEntry], str]
) -> Tree:
    """Settle every path. ``leads_to`` reads where a link at a place leads, below the prefix.

    IntegrityError for a path below a file, or below a link that leads out of the prefix.
    """
    placed = _through_links(packages, leads_to)
    _refuse_records(placed)
    owners: dict[str, int] = {}
    lost: list[set[str]] = [set() for _ in placed]
    against: dict[tuple[int, int], list[str]] = {}
    for index, package in enumerate(placed):
        for place in package.places:
            before = owners.get(place)
            owners[place] = index
            if before is None:
                continue
            kinds = {_kind(placed[number], place) for number in (before, index)}
            if kinds == {Kind.DIRECTORY}:
                continue
            if Kind.DIRECTORY in kinds:
                other = placed[before].label
                raise unsafe(place, f"is a folder or not, by {other}", where=package.label)
            lost[before].add(place)
            if not _same(placed[before], package, place):
                against.setdefault((index, before), []).append(place)
    return Tree(
        packages=tuple(placed),
        lost=tuple(frozenset(paths) for paths in lost),
        clobbers=tuple(
            Clobber(
                winner=placed[winner].label, loser=placed[loser].label, paths=tuple(sorted(paths))
            )
            for (winner, loser), paths in sorted(against.items())
        ),
    )


def _through_links(
    packages: Iterable[PlacedPackage], leads_to: Callable[[PlacedPackage, str, PathEntry], str]
) -> list[PlacedPackage]:
    placed = list(packages)
    for _ in range(_MOST_LINKS):
        moved = _links_met(placed, leads_to)
        if not moved:
            return placed
        placed = [_moved(package, moved) for package in placed]
    raise broken("links of packages lead to each other", "conda packages")


def _refuse_records(packages: Iterable[PlacedPackage]) -> None:
    """What is in conda-meta says what is installed, and is written by us alone."""
    for package in packages:
        for place in package.places:
            if place == META or (place.startswith(_RECORDS) and place.endswith(_RECORD_ENDS)):
                raise unsafe(place, "belongs to conda itself", where=package.label)


def inside(place: str, link: str, prefix: str, *, where: str) -> str:
    """Where a link at a place leads, below the prefix; IntegrityError when it leads out."""
    if link.startswith("/"):
        target = posixpath.normpath(link)
        if target != prefix and not target.startswith(f"{prefix}/"):
            raise unsafe(place, f"is a link out of its folder, to {link[:200]!r}", where=where)
        return target.removeprefix(prefix).strip("/")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
    if target == ".." or target.startswith("../"):
        raise unsafe(place, f"is a link out of its folder, to {link[:200]!r}", where=where)
    return "" if target == "." else target


def _links_met(
    packages: Iterable[PlacedPackage], leads_to: Callable[[PlacedPackage, str, PathEntry], str]
) -> dict[str, str]:
    """The links that other paths lie below, and the folders they lead to."""
    packages = tuple(packages)
    folders: dict[str, str] = {}
    for package in packages:
        for place in package.places:
            if (folder := posixpath.dirname(place)) not in folders:
                folders[folder] = package.label
                for above in parents(folder):
                    folders.setdefault(above, package.label)
    moved: dict[str, str] = {}
    for package in packages:
        for place in package.scripts.keys() & folders.keys():
            raise unsafe(place, f"is a folder in {folders[place]}", where=package.label)
        for place in sorted(package.files.keys() & folders.keys()):
            entry = package.files[place]
            if entry.kind is Kind.SYMLINK:
                moved[place] = leads_to(package, place, entry)
            elif entry.kind is Kind.FILE:
                raise unsafe(place, f"is a folder in {folders[place]}", where=package.label)
    return moved


def _moved(package: PlacedPackage, moved: dict[str, str]) -> PlacedPackage:
    files: dict[str, PathEntry] = {}
    scripts = {_led(place, moved): script for place, script in package.scripts.items()}
    changed = list(package.moved)
    changed += ((a, b) for a, b in zip(package.scripts, scripts, strict=True) if a != b)
    for place, entry in package.files.items():
        where = _led(place, moved)
        if where != place:
            if where in package.files or where in scripts:
                raise broken(f"two of its files go to {where!r}", package.label)
            changed.append((place, where))
        files[where] = entry
    return replace(package, files=files, scripts=scripts, moved=tuple(changed))


def _led(place: str, moved: dict[str, str]) -> str:
    """Where a place is when the links above it are followed."""
    folder = next((above for above in parents(place) if above in moved), None)
    return place if folder is None else f"{moved[folder]}{place.removeprefix(folder)}".lstrip("/")


def _kind(package: PlacedPackage, place: str) -> Kind:
    entry = package.files.get(place)
    return entry.kind if entry else Kind.FILE


def _same(one: PlacedPackage, other: PlacedPackage, place: str) -> bool:
    first, second = one.files.get(place), other.files.get(place)
    if first is None or second is None or first.placeholder or second.placeholder:
        return False
    return bool(first.sha256) and first.sha256 == second.sha256
