"""The candidates of each project for one target, found lazily and remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imagelock.model.errors import NotFound
from imagelock.model.names import PipName
from imagelock.resolve.pip.policy import Choice, Chooser
from imagelock.resolve.pip.ports import PipIndex, Project, Release
from imagelock.resolve.pip.requirements import allows, version


@dataclass(slots=True)
class Entry:
    """One version of a project; ``release`` is None for a pin taken over without its page."""

    version: str
    release: Release | None
    choice: Choice | None = None


@dataclass(slots=True)
class Listing:
    """A project's versions in the order they are tried: the pinned one, then newest first.

    ``project`` is None where no index has it, and before :meth:`Catalog.complete`.
    """

    name: PipName
    entries: list[Entry] = field(default_factory=list)
    project: Project | None = None
    is_complete: bool = False


def _has_wheel(choice: Choice | None) -> bool:
    return choice is not None and choice.file is not None and choice.file.is_wheel


class Catalog:
    """Listings by name. A project that no index has is an empty listing.

    A pin of the previous lock is tried first, and its project's page is not asked for until
    another version is: a lock and a warm store resolve without a network.
    """

    def __init__(
        self, index: PipIndex, chooser: Chooser, direct: Mapping[PipName, Project]
    ) -> None:
        self._index = index
        self.chooser = chooser
        self._listings: dict[PipName, Listing] = {
            name: Listing(
                name,
                [
                    Entry(item.version, item, chooser.named(name, item.files[0]))
                    for item in made.releases
                ],
                project=made,
                is_complete=True,
            )
            for name, made in direct.items()
        }
        self._lock = threading.RLock()

    def _started(self, name: PipName) -> Listing:
        with self._lock:
            known = self._listings.get(name)
            if known is None:
                pin = self.chooser.kept(name)
                entries = [] if pin is None else [Entry(pin.version, None, Choice(pin.file))]
                known = self._listings[name] = Listing(name, entries)
            return known

    def listing(self, name: PipName) -> Listing:
        """What is known of a project: at least the versions to try first."""
        known = self._listings.get(name) or self._started(name)
        return known if known.entries else self.complete(name)

    def complete(self, name: PipName) -> Listing:
        """All versions of a project; pre-releases only where the policy allows them."""
        listing = self._started(name)
        if not listing.is_complete:
            try:
                self.arrived(self._index.project(name))
            except NotFound:
                listing.is_complete = True
        return listing

    def arrived(self, project: Project) -> Listing:
        """Take in a project's page; callable from any thread, any number of times."""
        listing = self._started(project.name)
        with self._lock:
            if not listing.is_complete:
                rest = self._entries(project)
                if listing.entries:
                    taken = version(listing.entries[0].version)
                    rest = [item for item in rest if version(item.version) != taken]
                listing.entries = listing.entries + rest
                listing.project = project
                listing.is_complete = True
        return listing

    def _entries(self, project: Project) -> list[Entry]:
        entries = [Entry(release.version, release) for release in project.releases]
        if not self.chooser.allows_prereleases(project):
            entries = [item for item in entries if not version(item.version).is_prerelease]
        policy = self.chooser.policy
        if policy.prefer_binary and policy.may_build(project.name):
            listing = Listing(project.name)
            entries.sort(key=lambda item: not _has_wheel(self.usable(listing, item)))
        preferred = policy.preferences.get(project.name)
        if preferred is not None:
            wanted = version(preferred.version)
            entries.sort(key=lambda item: version(item.version) != wanted)
        return entries

    def choice(self, listing: Listing, entry: Entry) -> Choice:
        """The file for a version on this target."""
        if entry.choice is None:
            assert entry.release is not None
            entry.choice = self.chooser.choose(
                listing.name, entry.release.files, version=entry.version
            )
        return entry.choice

    def usable(self, listing: Listing, entry: Entry) -> Choice | None:
        """The choice for a version if it may be installed: it has a file, not yanked (PEP 592)."""
        choice = self.choice(listing, entry)
        if choice.file is None:
            return None
        if choice.yanked and not self.chooser.pinned(listing.name, entry.version):
            return None
        return choice

    def matching(
        self, name: PipName, specifiers: tuple[str, ...]
    ) -> Iterator[tuple[Entry, Choice]]:
        """The versions that every specifier allows and that can be installed, in order."""
        listing = self.listing(name)
        tried = 0
        while True:
            for entry in listing.entries[tried:]:
                tried += 1
                if all(allows(specifier, entry.version) for specifier in specifiers):
                    choice = self.usable(listing, entry)
                    if choice is not None:
                        yield entry, choice
            if listing.is_complete and tried >= len(listing.entries):
                return
            self.complete(name)
