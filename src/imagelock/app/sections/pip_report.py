"""What may be asked of the pip pins of a lock: what is outdated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip import (
    open_indexes,
    pip_policy,
    pip_section,
    without_collection,
)
from imagelock.model.errors import NoSolution
from imagelock.model.lock import Lock, PipPin
from imagelock.model.names import PipName
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.catalog import Catalog
from imagelock.resolve.pip.installed import Installed
from imagelock.resolve.pip.policy import Chooser
from imagelock.resolve.pip.requirements import parse, version


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Outdated:
    """A pin with a newer version on its platform.

    ``allowed`` is what ``lock --upgrade`` would choose, ``newest`` the newest that fits the
    target at all; ``yanked`` says that the locked file was yanked since.
    """

    name: PipName
    platform: Platform
    locked: str
    allowed: str
    newest: str
    yanked: bool = False


def outdated(
    lock: Lock,
    targets: Mapping[Platform, PythonTarget],
    *,
    context: Context,
    folder: Path | None = None,
    installed: Mapping[Platform, Mapping[PipName, Installed]] | None = None,
) -> tuple[Outdated, ...]:
    """The pins that are not the newest, sorted by name and platform. Asks the indexes.

    What a requirement names by path or URL has no newer version; ``folder`` is the spec's,
    ``installed`` what the image has without pip.
    """
    spec = lock.roots.pip
    options = ResolveOptions(upgrade=True)
    try:
        upgraded = pip_section(
            spec,
            targets,
            context=context,
            options=options,
            previous=None,
            folder=folder,
            installed=installed,
        ).pins
    except NoSolution:
        upgraded = ()  # nothing newer can be had together: what is locked is the best there is
    found = []
    with (
        without_collection(),
        open_indexes(spec, targets.values(), context=context, folder=folder) as index,
    ):
        for platform in sorted(targets):
            policy = pip_policy(spec, platform, context.now, options, None)
            roots = [parse(line) for line in spec.all_requirements]
            direct = {item.name for item in roots if item.url is not None}
            catalog = Catalog(index, Chooser(targets[platform], policy, roots), {})
            allowed = {pin.name: pin.version for pin in _on(upgraded, platform)}
            for pin in (pin for pin in _on(lock.pip, platform) if pin.name not in direct):
                item = _compared(pin, platform, catalog, allowed.get(pin.name, pin.version))
                if item is not None:
                    found.append(item)
    return tuple(sorted(found))


def _compared(pin: PipPin, platform: Platform, catalog: Catalog, allowed: str) -> Outdated | None:
    listing = catalog.complete(pin.name)
    usable = [entry.version for entry in listing.entries if catalog.usable(listing, entry)]
    newest = max((*usable, pin.version), key=version)
    yanked = any(
        file.sha256 == pin.artifact.sha256 and file.yanked is not None
        for entry in listing.entries
        if entry.release is not None and version(entry.version) == version(pin.version)
        for file in entry.release.files
    )
    if newest == pin.version and allowed == pin.version and not yanked:
        return None
    return Outdated(
        name=pin.name,
        platform=platform,
        locked=pin.version,
        allowed=allowed,
        newest=newest,
        yanked=yanked,
    )


def _on(pins: Iterable[PipPin], platform: Platform) -> list[PipPin]:
    return [pin for pin in pins if platform in pin.platforms]
