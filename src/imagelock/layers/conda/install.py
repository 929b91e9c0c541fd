"""Conda packages as entries of a layer: what linking them into the prefix would write.

Packages come in link order, each one's files in archive order and its conda-meta file last, so
that archives are read as streams and once. Contents are checked against the packages' own hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imagelock.layers.conda.activation import LARGEST, activation_variables, is_activation
from imagelock.layers.conda.archive import CondaArchive
from imagelock.layers.conda.info import PathEntry
from imagelock.layers.conda.meta import Installed, meta_json
from imagelock.layers.conda.package import META, Environment, PlacedPackage
from imagelock.layers.conda.prefix import replaced_binary, replaced_text
from imagelock.layers.conda.tree import inside
from imagelock.layers.entries import EARLIEST, Entry, Kind, safe_path, with_parents
from imagelock.layers.untar import broken

_LATEST: Final = 0o77777777777
"""2242: the latest time a tar can hold; a build machine's clock may say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedPackage:
    """A placed package with its open archive, the paths it loses, and where it came from."""

    placed: PlacedPackage
    archive: CondaArchive
    lost: frozenset[str]
    channel: str
    url: str


@dataclass(slots=True)
class CondaLayer:
    """The members of some packages. Known once all are read: ``epoch``, ``variables``, ``odd``.

    ``variables`` are those of plain activation files by the file's path below the prefix;
    ``odd`` are the activation scripts that do more.
    """

    packages: Sequence[LinkedPackage]
    environment: Environment
    first: bool = False
    epoch: int = EARLIEST
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)

    def entries(self) -> Iterator[Entry]:
        """All members with their folders; ``first`` adds what makes the prefix an environment."""
        return with_parents(self._entries())

    def _entries(self) -> Iterator[Entry]:
        if self.first:
            # conda takes a folder for an environment when it is there.
            yield self.made(f"{META}/history", b"", EARLIEST)
        for package in self.packages:
            yield from _Linking(self, package).entries()

    def made(self, place: str, data: bytes, mtime: int, mode: int = 0o644) -> Entry:
        """A file that no archive holds, at a path below the prefix."""
        self.epoch = max(self.epoch, mtime)
        path = f"{self.environment.root}/{place}"
        return Entry(path=path, size=len(data), content=(data,), mode=mode, mtime=mtime)


class _Linking:
    """One package on its way into the layer."""

    def __init__(self, layer: CondaLayer, package: LinkedPackage) -> None:
        self._layer = layer
        self._package = package
        self._environment = layer.environment
        self._placed = package.placed
        self._where = package.archive.where
        self._places = {entry.path: place for place, entry in self._placed.files.items()}
        self._installed: dict[str, Installed] = {}
        self._modes: dict[str, int] = {}

    def entries(self) -> Iterator[Entry]:
        time = max(EARLIEST, min((self._placed.pin.timestamp or 0) // 1000, _LATEST))
        left = {
            place for place, entry in self._placed.files.items() if entry.kind is not Kind.DIRECTORY
        }
        for member in self._package.archive.members():
            place = self._places.get(member.path)
            if place is None or place not in left:
                continue
            left.discard(place)
            if place not in self._package.lost:
                yield self._linked(member, place)
        if left:
            path = self._placed.files[min(left)].path
            raise broken(f"lists the file {path!r} and has it not", self._where)
        for place, entry in sorted(self._placed.files.items()):
            if entry.kind is Kind.DIRECTORY:
                self._installed[place] = Installed(path=place, path_type="directory")
                path = f"{self._environment.root}/{place}"
                yield Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, mtime=EARLIEST)
        for place, script in sorted(self._placed.scripts.items()):
            if place not in self._package.lost:
                digest = hashlib.sha256(script).hexdigest()
                self._installed[place] = Installed(
                    path=place,
                    path_type="unix_python_entry_point",
                    sha256=digest,
                    size=len(script),
                )
                yield self._layer.made(place, script, time, 0o755)
        meta = meta_json(
            self._placed.pin,
            self._package.channel,
            self._package.url,
            list(self._installed.values()),
        )
        yield self._layer.made(self._placed.meta, meta, time)

    def _linked(self, member: Entry, place: str) -> Entry:
        entry = self._placed.files[place]
        mtime = max(0, min(member.mtime, _LATEST))
        self._layer.epoch = max(self._layer.epoch, mtime)
        base = Entry(
            path=f"{self._environment.root}/{place}",
            kind=member.kind,
            mode=0o755 if member.mode & 0o111 else 0o644,
            mtime=mtime,
            size=member.size,
            content=member.content,
        )
        if member.kind is Kind.SYMLINK:
            return self._symlink(base, member, place, entry)
        if member.kind is Kind.HARDLINK:
            return self._hardlink(base, member, place, entry)
        self._modes[place] = base.mode
        return self._file(base, place, entry)

    def _symlink(self, base: Entry, member: Entry, place: str, entry: PathEntry) -> Entry:
        link = member.link
        if entry.placeholder:
            link = link.replace(entry.placeholder, self._environment.prefix)
        inside(place, link, self._environment.prefix, where=self._where)
        digest = hashlib.sha256(link.encode("utf-8", "surrogateescape")).hexdigest()
        self._installed[place] = Installed(
            path=place, path_type="softlink", sha256=entry.sha256, in_prefix=digest
        )
        return replace(base, mode=0o777, link=link)

    def _hardlink(self, base: Entry, member: Entry, place: str, entry: PathEntry) -> Entry:
        """A link to the target's place, or its content where that is not the same file."""
        target = safe_path(member.link, where=self._where)
        other = self._places.get(target)
        known = self._installed.get(other or "")
        if other and known and self._placed.files[other].placeholder == entry.placeholder:
            if entry.sha256 not in {"", known.sha256}:
                raise broken(
                    f"{entry.path!r} is a hard link to a file of another hash", self._where
                )
            self._installed[place] = replace(known, path=place)
            link = f"{self._environment.root}/{other}"
            return replace(base, mode=self._modes.get(other, base.mode), link=link)
        content = b"".join(self._package.archive.content(target))
        copied = replace(base, kind=Kind.FILE, size=len(content), content=(content,))
        return self._file(copied, place, entry)

    def _file(self, base: Entry, place: str, entry: PathEntry) -> Entry:
        if entry.size is not None and entry.size != base.size:
            raise broken(
                f"{entry.path!r}: paths.json says {entry.size} bytes, the archive {base.size}",
                self._where,
            )
        content: Iterable[bytes] = self._checked(base.content, entry)
        size = base.size
        if entry.placeholder:
            old, new = entry.placeholder.encode(), self._environment.prefix.encode()
            if entry.binary:
                content = replaced_binary(content, old, new, where=self._where)
            else:
                text = replaced_text(b"".join(content), old, new)
                content, size = (text,), len(text)
        return replace(base, size=size, content=self._noted(content, place, entry, size))

    def _checked(self, content: Iterable[bytes], entry: PathEntry) -> Iterator[bytes]:
        """The same bytes; IntegrityError at the end when paths.json has another hash."""
        if not entry.sha256:
            yield from content
            return
        state = hashlib.sha256()
        for chunk in content:
            state.update(chunk)
            yield chunk
        if state.hexdigest() != entry.sha256:
            raise broken(
                f"{entry.path!r}: paths.json says sha256 {entry.sha256[:64]}, the archive has "
                f"{state.hexdigest()}",
                self._where,
            )

    def _noted(
        self, content: Iterable[bytes], place: str, entry: PathEntry, size: int
    ) -> Iterable[bytes]:
        """The same bytes; what is installed is known once they are read."""
        kept = bytearray() if is_activation(place) and size <= LARGEST else None
        hashed = bool(entry.placeholder or not entry.sha256)
        if not hashed and kept is None:
            self._note(place, entry, entry.sha256, size)
            if not size:
                _drain(content)
                return ()
            return content
        if not size:
            self._note(place, entry, hashlib.sha256(b"").hexdigest(), 0)
            _drain(content)
            return ()
        return self._hashed(content, place, entry, size, kept)

    def _hashed(
        self,
        content: Iterable[bytes],
        place: str,
        entry: PathEntry,
        size: int,
        kept: bytearray | None,
    ) -> Iterator[bytes]:
        state = hashlib.sha256()
        # A hard link that follows needs to know of it; the hash is there by then.
        for chunk in content:
            state.update(chunk)
            if kept is not None:
                kept += chunk
            yield chunk
        self._note(place, entry, state.hexdigest(), size)
        if is_activation(place):
            self._activation(place, kept)

    def _note(self, place: str, entry: PathEntry, digest: str, size: int) -> None:
        self._installed[place] = Installed(
            path=place,
            path_type="hardlink",
            sha256=entry.sha256 or digest,
            in_prefix=digest,
            size=size,
            placeholder=entry.placeholder,
            binary=entry.binary,
        )

    def _activation(self, place: str, kept: bytearray | None) -> None:
        values = None
        if kept is not None:
            values = activation_variables(place, bytes(kept), self._environment.prefix)
        if values is None:
            self._layer.odd.append(place)
        else:
            self._layer.variables[place] = values


def _drain(content: Iterable[bytes]) -> None:
    for _ in content:
        pass
