"""Where things are in an archive: suites, snapshots, Packages files; and whether they fit."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from imagelock.fetch.debian.release import Release
from imagelock.fetch.debian.unpack import FORMATS
from imagelock.fetch.http import redact
from imagelock.model.archives import SNAPSHOTS, WELL_KNOWN_ARCHIVES
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import IntegrityError, UsageError


def base_url(source: AptArchiveSource) -> str:
    """The URL of the archive, or of its snapshot. UsageError where there is no such service."""
    if source.snapshot is None:
        return source.url
    pattern = SNAPSHOTS.get(source.archive)
    if pattern is None:
        raise UsageError(
            f"no snapshot service is known for the archive '{source.archive}'",
            where=redact(source.url),
            hint=f"snapshots exist of {', '.join(sorted(SNAPSHOTS))}",
        )
    return pattern.format(id=source.snapshot)


def suite_url(source: AptArchiveSource) -> str:
    """The folder of the suite's Release file; ends in '/'."""
    if source.is_flat:
        folder = source.suite.strip("./")
        return base_url(source) + (f"{quote(folder)}/" if folder else "")
    return f"{base_url(source)}dists/{quote(source.suite)}/"


def check_suite(source: AptArchiveSource, release: Release, where: str) -> None:
    """Refuse another suite's index in this one's place: one key signs many suites.

    Archives that are not well known often name their suites carelessly, and sign but one.
    """
    if source.is_flat or source.archive not in WELL_KNOWN_ARCHIVES:
        return
    if not {source.suite, source.suite.partition("/")[0]} & {release.suite, release.codename}:
        raise IntegrityError(
            f"expected the index of '{source.suite}', got that of '{release.codename}'",
            where=where,
            hint="the mirror serves another suite under this name",
        )


def wanted_packages(
    source: AptArchiveSource, release: Release, architectures: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    """(component, architecture, path without suffix) of each Packages file there is."""
    if source.is_flat:
        yield "", architectures[0], "Packages"
        return
    everything = "all" in release.architectures and not release.no_all_packages
    for component in source.components:
        for architecture in (*architectures, *(("all",) if everything else ())):
            path = f"{component}/binary-{architecture}/Packages"
            if any(path + suffix in release.files for suffix in FORMATS):
                yield component, architecture, path
