"""The candidates of each project for one target, found lazily and remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imagelock.model.errors import NotFound
from imagelock.model.names import PipName
from imagelock.resolve.pip.policy import Choice, Chooser
from imagelock.resolve.pip.ports import PipIndex, Project
from imagelock.resolve.pip.requirements import allows, version


@dataclass(slots=True)
class Entry:
    """One version of a project; ``choice`` is made when first asked for."""

    version: str
    place: int
    _choice: Choice | None = field(default=None, repr=False)


@dataclass(slots=True)
class Listing:
    """A project's versions in the order they are tried: the preferred one, then newest first."""

    project: Project | None
    entries: list[Entry] = field(default_factory=list)


class Catalog:
    """Listings by name. A project no index has is an empty listing."""

    def __init__(
        self, index: PipIndex, chooser: Chooser, direct: Mapping[PipName, Project]
    ) -> None:
        self._index = index
        self.chooser = chooser
        self._listings: dict[PipName, Listing] = {
            name: Listing(project, [Entry(project.releases[0].version, 0)])
            for name, project in direct.items()
        }

    def listing(self, name: PipName) -> Listing:
        """The versions of a project, pre-releases only where the policy allows them."""
        known = self._listings.get(name)
        if known is None:
            try:
                project = self._index.project(name)
            except NotFound:
                known = Listing(None)
            else:
                return self.listing_of(project)
            self._listings[name] = known
        return known

    def listing_of(self, project: Project) -> Listing:
        """As :meth:`listing`, for a project that is there already; callable from any thread."""
        known = self._listings.get(project.name)
        if known is None:
            made = Listing(project, self._entries(project))
            known = self._listings.setdefault(project.name, made)
        return known

    def _entries(self, project: Project) -> list[Entry]:
        entries = [Entry(release.version, place) for place, release in enumerate(project.releases)]
        if not self.chooser.allows_prereleases(project):
            entries = [item for item in entries if not version(item.version).is_prerelease]
        preferred = self.chooser.policy.preferences.get(project.name)
        if preferred is not None:
            wanted = version(preferred)
            entries.sort(key=lambda item: version(item.version) != wanted)
        return entries

    def choice(self, listing: Listing, entry: Entry) -> Choice:
        """The file for a version on this target."""
        if entry._choice is None:  # noqa: SLF001 - the entry is this module's own
            assert listing.project is not None
            release = listing.project.releases[entry.place]
            entry._choice = self.chooser.choose(listing.project.name, release.files)  # noqa: SLF001
        return entry._choice  # noqa: SLF001

    def usable(self, listing: Listing, entry: Entry) -> Choice | None:
        """The choice for a version if it may be installed: it has a file, not yanked (PEP 592)."""
        choice = self.choice(listing, entry)
        if choice.file is None:
            return None
        if choice.yanked:
            assert listing.project is not None
            if not self.chooser.pinned(listing.project.name, entry.version):
                return None
        return choice

    def matching(
        self, name: PipName, specifiers: tuple[str, ...]
    ) -> Iterator[tuple[Entry, Choice]]:
        """The versions that every specifier allows and that can be installed, in order."""
        listing = self.listing(name)
        for entry in listing.entries:
            if all(allows(specifier, entry.version) for specifier in specifiers):
                choice = self.usable(listing, entry)
                if choice is not None:
                    yield entry, choice
