"""Which files and versions may be candidates at all, before any requirement is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from imagelock.model.names import PipName
from imagelock.model.pip_spec import Prerelease
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.ports import IndexFile, Project
from imagelock.resolve.pip.requirements import (
    Parsed,
    allows,
    names_prerelease,
    pins_exactly,
    version,
)
from imagelock.resolve.pip.target import TargetTags

NO_WHEEL = "has no wheel that fits"
NO_SDIST = "has no sdist to build, as no-binary asks"
ONLY_SDIST = "has only an sdist"
TOO_NEW = "is newer than exclude-newer allows"
WRONG_PYTHON = "needs Python"
YANKED = "was yanked"
WRONG_HASH = "has no file with a hash that the requirements give"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A version to try first, and the file it was locked with (None to choose one anew)."""

    version: str
    file: IndexFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a resolution allows besides its requirements.

    ``exclude_newer`` is a UTC time: files uploaded then or later, or at an unknown time, do not
    exist.
    ``preferences`` are versions to try first; one with a file keeps that file, even if it was
    yanked since (a lock does not move by itself). ``allow_sdist`` names projects whose sdist may
    stand in where no wheel fits, ``no_binary`` those whose wheels do not exist.
    ``prefer_binary`` puts every version with a wheel before those with an sdist. ``hashes`` are,
    by project, the only ones allowed (``sha256:`` and 64 digits).
    """

    prerelease: Prerelease = Prerelease.IF_NECESSARY
    exclude_newer: datetime | None = None
    allow_sdist: frozenset[PipName] = frozenset()
    no_binary: frozenset[PipName] = frozenset()
    prefer_binary: bool = False
    preferences: Mapping[PipName, Preference] = field(default_factory=dict)
    hashes: Mapping[PipName, frozenset[str]] = field(default_factory=dict)

    def may_build(self, name: PipName) -> bool:
        """Whether a project's sdist may be taken."""
        return name in self.allow_sdist or name in self.no_binary


@cache
def uploaded_at(text: str) -> datetime | None:
    """An upload time in UTC; None when it cannot be read."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@cache
def _python_allows(requires_python: str, python: str) -> bool:
    try:
        return allows(requires_python, python)
    except ValueError:
        return True  # as other installers: what cannot be read forbids nothing


@dataclass(frozen=True, slots=True)
class Choice:
    """The file chosen for a version: or why there is none. ``yanked`` needs an exact pin."""

    file: IndexFile | None
    reason: str = ""
    yanked: bool = False


class Chooser:
    """Chooses one file for each version, for one target and policy; remembers its choices."""

    def __init__(self, target: PythonTarget, policy: Policy, direct: Iterable[Parsed]) -> None:
        self.policy = policy
        self._tags = TargetTags(target)
        self._python = target.version
        listed = tuple(direct)
        self._named_prereleases = frozenset(
            item.name for item in listed if names_prerelease(item.specifier)
        )
        self._pins = {
            name: tuple(
                item.specifier
                for item in listed
                if item.name == name and pins_exactly(item.specifier)
            )
            for name in {item.name for item in listed}
        }

    def python_allows(self, requires_python: str | None) -> bool:
        """Whether the target's exact Python satisfies a Requires-Python."""
        return not requires_python or _python_allows(requires_python, self._python)

    def kept(self, name: PipName) -> Preference | None:
        """The preference whose file can be kept without asking the index anything."""
        found = self.policy.preferences.get(name)
        if found is None or found.file is None or self.policy.exclude_newer is not None:
            return None
        if not self._may_stay(name, found.file):
            return None
        if version(found.version).is_prerelease and not (
            self.policy.prerelease is Prerelease.ALLOW or name in self._named_prereleases
        ):
            return None
        return found

    def _may_stay(self, name: PipName, file: IndexFile) -> bool:
        """Whether a locked file fits the target and what the spec now allows."""
        allowed = self.policy.hashes.get(name)
        if allowed is not None and f"sha256:{file.sha256}" not in allowed:
            return False
        if not file.is_wheel:
            return self.policy.may_build(name)
        if name in self.policy.no_binary:
            return False
        return self._tags.rank(file.filename) is not None

    def pinned(self, name: PipName, version: str) -> bool:
        """Whether a root, constraint or override names exactly this version."""
        return any(allows(specifier, version) for specifier in self._pins.get(name, ()))

    def allows_prereleases(self, project: Project) -> bool:
        """Whether pre-releases of a project are candidates (uv's four policies).

        ``if-necessary`` allows them where a root names one, or where there is nothing else.
        """
        match self.policy.prerelease:
            case Prerelease.ALLOW:
                return True
            case Prerelease.DISALLOW:
                return False
            case Prerelease.EXPLICIT:
                return project.name in self._named_prereleases
            case Prerelease.IF_NECESSARY:
                return project.name in self._named_prereleases or not any(
                    not version(release.version).is_prerelease
                    and self.choose(project.name, release.files).file is not None
                    for release in project.releases
                )

    def named(self, name: PipName, file: IndexFile) -> Choice:
        """The choice of a file that a requirement names itself: no upload time bars it."""
        allowed = self.policy.hashes.get(name)
        if allowed is not None and f"sha256:{file.sha256}" not in allowed:
            return Choice(None, WRONG_HASH)
        if file.is_wheel and self._tags.rank(file.filename) is None:
            return Choice(None, NO_WHEEL)
        return Choice(file)

    def _exists(self, file: IndexFile) -> bool:
        limit = self.policy.exclude_newer
        if limit is None:
            return True
        time = uploaded_at(file.uploaded) if file.uploaded else None
        return time is not None and time < limit

    def choose(
        self, name: PipName, files: Iterable[IndexFile], *, version: str | None = None
    ) -> Choice:
        """The best wheel of a version, else its sdist where allowed, else the reason.

        For the ``version`` that is preferred, the file it was locked with comes before all.
        """
        preferred = self.policy.preferences.get(name)
        if preferred is not None and preferred.file is not None and preferred.version == version:
            for file in files:
                if file.url == preferred.file.url and file.sha256 == preferred.file.sha256:
                    if self._exists(file) and self._may_stay(name, file):
                        return Choice(file)
                    break
        return self._best(name, files)

    def _barred(self, name: PipName, file: IndexFile) -> str:
        """Why a file does not count, whatever the target's tags; empty if it does."""
        allowed = self.policy.hashes.get(name)
        if allowed is not None and f"sha256:{file.sha256}" not in allowed:
            return WRONG_HASH
        if not self._exists(file):
            return TOO_NEW
        if not self.python_allows(file.requires_python):
            return f"{WRONG_PYTHON} {file.requires_python}"
        return NO_SDIST if file.is_wheel and name in self.policy.no_binary else ""

    def _best(self, name: PipName, files: Iterable[IndexFile]) -> Choice:
        wheels: list[tuple[tuple[bool, int, tuple[int, str]], IndexFile]] = []
        sdists: list[IndexFile] = []
        seen: set[str] = set()
        for file in files:
            if barred := self._barred(name, file):
                seen.add(barred)
            elif not file.is_wheel:
                sdists.append(file)
            else:
                rank = self._tags.rank(file.filename)
                if rank is None:
                    seen.add(NO_WHEEL)
                else:
                    place, build = rank
                    wheels.append(((file.yanked is None, -place, build), file))
        if wheels:
            wheels.sort(key=lambda item: item[1].filename)
            chosen = max(wheels, key=lambda item: item[0])[1]
            return Choice(chosen, yanked=chosen.yanked is not None)
        if sdists and self.policy.may_build(name):
            chosen = min(sdists, key=lambda file: (file.yanked is not None, file.filename))
            return Choice(chosen, yanked=chosen.yanked is not None)
        if sdists and NO_WHEEL not in seen:
            return Choice(None, ONLY_SDIST)
        return Choice(None, min(seen, default=NO_WHEEL))
