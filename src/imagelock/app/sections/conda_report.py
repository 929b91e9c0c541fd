"""What may be asked of the conda pins of a lock: what is outdated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.conda import CondaSections
from imagelock.model.conda_version import compare_conda_versions
from imagelock.model.errors import NoSolution
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class OutdatedCondaPackage:
    """A pin with a newer version on its platform.

    ``allowed`` is what ``lock --upgrade`` would choose, ``newest`` the newest its channels have;
    ``gone`` says that no channel of the spec lists the locked file any more.
    """

    name: str
    platform: Platform
    locked: str
    allowed: str
    newest: str
    gone: bool = False


def outdated(
    lock: Lock, platforms: Sequence[Platform], *, context: Context, spec_folder: Path
) -> tuple[OutdatedCondaPackage, ...]:
    """The pins that are not the newest, sorted by name and platform. Asks the channels."""
    with CondaSections(
        spec=lock.roots,
        previous=None,
        context=context,
        options=ResolveOptions(upgrade=True),
        spec_folder=spec_folder,
    ) as sections:
        found = [item for platform in platforms for item in _on_platform(lock, platform, sections)]
    return tuple(sorted(found))


def _on_platform(
    lock: Lock, platform: Platform, sections: CondaSections
) -> Iterator[OutdatedCondaPackage]:
    pins = [pin for pin in lock.conda if platform in pin.platforms]
    if not pins:
        return
    base = lock.base_for(platform)
    try:
        allowed = {pin.name: pin for pin in sections.resolve(platform, base).pins}
    except NoSolution:
        allowed = {}  # nothing newer can be had together: what is locked is the best there is
    problem = sections.problem(platform, base)
    for pin in pins:
        records = sections.solver.versions(pin.name, problem)
        newest = records[-1].version if records else pin.version
        if compare_conda_versions(newest, pin.version) < 0:
            newest = pin.version
        chosen = allowed.get(pin.name, pin)
        gone = all(record.sha256 != pin.artifact.sha256 for record in records)
        if chosen.artifact == pin.artifact and newest == pin.version and not gone:
            continue
        # a build is told where it alone tells two packages apart
        told = chosen.version == pin.version and chosen.build != pin.build
        yield OutdatedCondaPackage(
            name=pin.name,
            platform=platform,
            locked=f"{pin.version} {pin.build}" if told else pin.version,
            allowed=f"{chosen.version} {chosen.build}" if told else chosen.version,
            newest=newest,
            gone=gone,
        )
