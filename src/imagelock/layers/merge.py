"""Packages merged into one layer without running them: what `dpkg --unpack` would write.

Members come package by package in the order given, each package's in archive order with its
dpkg info files last, so that packages are read as streams and once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imagelock.layers.deb import Deb, DebControl
from imagelock.layers.dpkg import info_members
from imagelock.layers.dpkg_filter import PathFilter
from imagelock.layers.entries import Entry, Kind, parents, safe_path, unsafe
from imagelock.layers.untar import Readable

MERGED_USR: Final = (("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin"))
"""The aliases of a merged-/usr root (the file hierarchy since Debian 12)."""

_EMPTY_MD5: Final = hashlib.md5(usedforsecurity=False).hexdigest()
_LIB64: Final = frozenset({"amd64", "loong64", "ppc64el"})


class NeedsDpkg(Exception):
    """A package cannot be merged and must be unpacked by dpkg itself; holds its index."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What of the layers below matters: links to folders, folders' owners, special paths.

    ``links`` maps a symlink's path to the folder it leads to, both without a leading slash;
    ``folders`` gives mode, uid and gid; ``special`` are paths under a diversion or a
    statoverride, which only dpkg may write. ``left_out`` says what dpkg does not unpack.
    """

    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    special: frozenset[str] = frozenset()
    left_out: PathFilter = field(default_factory=PathFilter)


def merged_usr(debian_architecture: str) -> tuple[tuple[str, str], ...]:
    """The aliases a bootstrapped root of an architecture starts with."""
    if debian_architecture in _LIB64:
        return tuple(sorted((*MERGED_USR, ("lib64", "usr/lib64"))))
    return MERGED_USR


class Merge:
    """The members of the merged packages, none newer than when its package was packed.

    ``tars`` are the packages' data members, if something reads them (:meth:`Deb.data_tar`).

    Known once all are read: ``conffiles`` holds the md5 of each conffile by package index and
    absolute path, ``paths`` the absolute paths each package has (both as it spells them), and
    ``skipped`` those of them that were left out.
    """

    def __init__(
        self,
        packages: Sequence[tuple[Deb, DebControl]],
        below: Below,
        *,
        first: Iterable[Entry] = (),
        tars: Sequence[Readable] | None = None,
    ) -> None:
        self._packages = packages
        self._tars: Sequence[Readable | None] = tars or [None] * len(packages)
        self._below = below
        self._first = tuple(first)
        self._made = {entry.path: entry for entry in self._first if entry.kind is Kind.SYMLINK}
        self._seen: dict[str, Kind] = {}
        self.conffiles: list[dict[str, str]] = [{} for _ in packages]
        self.paths: list[list[str]] = [[] for _ in packages]
        self.skipped: list[set[str]] = [set() for _ in packages]

    def entries(self) -> Iterator[Entry]:
        """All members. NeedsDpkg when a package writes what another or a diversion owns."""
        for entry in self._first:
            yield from self._placed(entry, -1)
        for index, (deb, control) in enumerate(self._packages):
            wanted = set(control.conffiles())
            sums: dict[str, str] = {}
            keep_sums = "md5sums" not in control.members
            for member in deb.data(self._tars[index]):
                if not member.path:
                    continue
                spelled = "/" + member.path
                self.paths[index].append(spelled)
                if self._left_out(member, spelled):
                    self.skipped[index].add(spelled)
                    continue
                entry = member
                if entry.mtime > control.epoch:
                    entry = replace(entry, mtime=control.epoch)
                if entry.kind is Kind.FILE and (keep_sums or spelled in wanted):
                    entry = replace(entry, content=_summed(entry, spelled, sums))
                yield from self._placed(self._canonical(entry, deb.where, index), index)
            self.conffiles[index] = {path: sums[path] for path in wanted & sums.keys()}
            made = dict(control.members)
            if keep_sums:
                # As dpkg does for packages that bring none: `dpkg --verify` reads it.
                lines = (f"{sums[p]}  {p[1:]}\n" for p in sums if p not in wanted)
                made["md5sums"] = (0o644, "".join(lines).encode("utf-8", "surrogateescape"))
            for path, mode, data in info_members(control, made, self.paths[index]):
                yield from self._placed(_made(path, mode, data, control.epoch), index)

    def _left_out(self, member: Entry, path: str) -> bool:
        is_folder_or_link = member.kind in {Kind.DIRECTORY, Kind.SYMLINK}
        return self._below.left_out.leaves_out(path, is_folder_or_link=is_folder_or_link)

    def _placed(self, entry: Entry, index: int) -> Iterator[Entry]:
        """The entry after the parents it lacks; nothing when it is there already."""
        before = self._seen.get(entry.path)
        if before is not None:
            same = entry.kind is Kind.DIRECTORY and before is Kind.DIRECTORY
            made = self._made.get(entry.path)
            if same or (made is not None and entry.link.rstrip("/") == made.link):
                return
            raise NeedsDpkg(index, f"/{entry.path} is in two packages")
        if entry.path in self._below.special:
            raise NeedsDpkg(index, f"/{entry.path} is diverted or overridden")
        for folder in parents(entry.path):
            known = self._seen.get(folder)
            if known is None:
                self._seen[folder] = Kind.DIRECTORY
                yield self._folder(Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755))
            elif known is not Kind.DIRECTORY:
                raise NeedsDpkg(index, f"/{folder} is a folder here and none in another package")
        self._seen[entry.path] = entry.kind
        yield self._folder(entry) if entry.kind is Kind.DIRECTORY else entry

    def _folder(self, entry: Entry) -> Entry:
        """A folder that exists below keeps its mode and owner, as dpkg leaves it alone."""
        known = self._below.folders.get(entry.path)
        if known is None:
            return entry
        mode, uid, gid = known
        return replace(entry, mode=mode, uid=uid, gid=gid)

    def _canonical(self, entry: Entry, where: str, index: int) -> Entry:
        path = self._resolved(entry.path, last=entry.kind is Kind.DIRECTORY)
        link = entry.link
        if entry.kind is Kind.HARDLINK:
            link = self._resolved(safe_path(entry.link, where=where), last=False)
            if self._below.left_out.leaves_out(f"/{safe_path(entry.link, where=where)}"):
                raise NeedsDpkg(index, f"/{entry.path} is a link to a file that is left out")
            if self._seen.get(link) not in {Kind.FILE, Kind.HARDLINK}:
                raise unsafe(entry.path, "is a hard link to no file of the package", where=where)
        if path == entry.path and link == entry.link:
            return entry
        return replace(entry, path=path, link=link)

    def _resolved(self, path: str, *, last: bool) -> str:
        """A path with the links to folders below it followed; ``last``: its last part as well."""
        links = self._below.links
        if not links:
            return path
        done = ""
        parts = path.split("/")
        for number, part in enumerate(parts):
            done = f"{done}/{part}" if done else part
            if number < len(parts) - 1 or last:
                done = links.get(done, done)
        return done


def _summed(entry: Entry, path: str, sums: dict[str, str]) -> Iterable[bytes]:
    """The same content; its md5, which is what dpkg knows files by, goes into ``sums``."""
    if not entry.size:
        sums[path] = _EMPTY_MD5  # nobody reads the content of an empty file
        return ()
    return _summed_chunks(entry.content, path, sums)


def _summed_chunks(content: Iterable[bytes], path: str, sums: dict[str, str]) -> Iterator[bytes]:
    state = hashlib.md5(usedforsecurity=False)
    for chunk in content:
        state.update(chunk)
        yield chunk
    sums[path] = state.hexdigest()


def _made(path: str, mode: int, data: bytes, mtime: int) -> Entry:
    return Entry(path=path, mode=mode, mtime=mtime, size=len(data), content=(data,))
