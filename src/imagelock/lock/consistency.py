"""What holds between the tables of a lock: no doubles, no archive that nothing defines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from operator import attrgetter

from imagelock.lock.checks import Wrong
from imagelock.lock.pins import SECTIONS, Section
from imagelock.model.archives import WELL_KNOWN_ARCHIVES, Artifact, is_local
from imagelock.model.lock import Lock


def check_consistent(lock: Lock) -> None:
    """Raise Wrong with the path of the first pin that contradicts the rest of the lock."""
    archives = WELL_KNOWN_ARCHIVES | {archive.name: archive.url for archive in lock.archives}
    for section in SECTIONS:
        pins = getattr(lock, section.attribute)
        if pins:
            _check_unique(section, pins)
            if section.attribute != "archives":
                _check_archives(section, pins, archives)


def _check_unique(section: Section, pins: tuple[object, ...]) -> None:
    """Two pins of one package for one platform: what a careless merge leaves behind."""
    seen: set[object] = set()
    getter = attrgetter(*section.unique) if section.unique else None
    for index, pin in enumerate(pins):
        subject = getter(pin) if getter else ()
        # What sources are built with is there once for each of them.
        for platform, build in itertools.product(
            getattr(pin, "platforms", ("",)), getattr(pin, "builds", ("",))
        ):
            key = (subject, platform, build)
            if key in seen:
                named = getattr(pin, "name", section.key)
                where = f" for {platform}" if platform else ""
                msg = f"expected one entry{where}, got a second of '{named}'"
                hint = "after a merge, run `imagelock lock` on the merged spec"
                raise Wrong(msg, hint=hint).within(f"{section.key}[{index}]")
            seen.add(key)


def _check_archives(
    section: Section, pins: tuple[object, ...], archives: Mapping[str, str]
) -> None:
    for index, pin in enumerate(pins):
        source = getattr(pin, "artifact", pin)
        name = source.archive if isinstance(source, Artifact) else getattr(pin, "archive", None)
        if name is not None and name not in archives:
            msg = f"expected a well-known archive or one of [[archive]], got '{name}'"
            raise Wrong(msg).within(f"{section.key}[{index}].archive")
        is_folder = isinstance(source, Artifact) and source.path == "."
        if is_folder and not is_local(archives[str(name)]):
            msg = f"expected a path in the archive '{name}', got '.', which is for folders"
            raise Wrong(msg).within(f"{section.key}[{index}].path")
