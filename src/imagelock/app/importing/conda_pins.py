"""Packages that a lock of conda's tools holds, as requirements that only these files answer.

What all platforms have as one file is asked for once, everything else on its own platform. A conda
package is held by its hash, which the channel's index and then the file must have; a file from an
index of Python packages is named by its URL, with its hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagelock.app.importing.model import Document, Imported
from imagelock.fetch.git import is_commit
from imagelock.model.archives import repository_parts
from imagelock.model.conda import CHANNEL_HOST
from imagelock.model.errors import UsageError
from imagelock.model.platform import KNOWN_PLATFORMS, Platform

_PLATFORMS: Final = {platform.conda_subdir: platform for platform in KNOWN_PLATFORMS}
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class CondaPackage:
    """A file of a channel; ``sha256`` and ``md5`` are empty where the lock does not say them."""

    name: str
    version: str
    build: str
    channel: str
    sha256: str = ""
    md5: str = ""


@dataclass(frozen=True, slots=True, order=True)
class PythonPackage:
    """What an index of Python packages, a URL, a repository or a folder gives, as PEP 508 has it.

    ``place`` is the URL, with the hash as its fragment; empty where only the version is known.
    """

    name: str
    version: str = ""
    place: str = ""

    @property
    def requirement(self) -> str:
        """Without a marker."""
        return f"{self.name} @ {self.place}" if self.place else f"{self.name}=={self.version}"

    @property
    def is_held(self) -> bool:
        """Whether only one content will do."""
        if self.place.startswith("git+"):
            return is_commit(repository_parts(self.place)[1])
        return "#sha256=" in self.place or self.place.startswith(".")


@dataclass(slots=True)
class Environment:
    """Packages by conda's name of their platform."""

    channels: list[str]
    conda: dict[str, set[CondaPackage]] = field(default_factory=dict)
    pip: dict[str, set[PythonPackage]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def imported(label: str, environment: Environment, where: str) -> Imported:
    """The spec of an environment. UsageError where no platform is a Linux one."""
    subdirs = sorted({*environment.conda, *environment.pip})
    remarks = [*environment.left]
    remarks += [f"the platform {subdir}" for subdir in subdirs if subdir not in _PLATFORMS]
    platforms = {subdir: _PLATFORMS[subdir] for subdir in subdirs if subdir in _PLATFORMS}
    if not platforms:
        raise UsageError(
            "expected packages for a Linux platform",
            where=where,
            hint="add linux-64 to its platforms, and lock it again",
        )
    document: Document = {"platforms": sorted(map(str, platforms.values()))}
    conda = {where_: environment.conda.get(subdir, set()) for subdir, where_ in platforms.items()}
    if any(conda.values()):
        several = len(environment.channels) > 1
        channels = [short_channel(channel) for channel in environment.channels]
        document["conda"] = {
            "packages": sorted(_match_specs(conda, several=several)),
            "channels": list(dict.fromkeys(channels)),
        }
        remarks += _without_hash(
            package.name
            for found in conda.values()
            for package in found
            if not package.sha256 and not package.md5
        )
    pip = {where_: environment.pip.get(subdir, set()) for subdir, where_ in platforms.items()}
    if any(pip.values()):
        document["pip"] = {"packages": sorted(_requirements(pip))}
        remarks += _without_hash(
            package.name for found in pip.values() for package in found if not package.is_held
        )
    return Imported(label=label, document=document, left_behind=tuple(remarks))


def _match_specs(conda: Mapping[Platform, set[CondaPackage]], *, several: bool) -> Iterator[str]:
    for package in set().union(*conda.values()):
        asking = [platform for platform, found in conda.items() if package in found]
        platforms = [""] if len(asking) == len(conda) else [str(one) for one in asking]
        channel = f"{short_channel(package.channel)}::" if several else ""
        for platform in platforms:
            pairs = {
                "md5": "" if package.sha256 else package.md5,
                "platform": platform,
                "sha256": package.sha256,
            }
            held = ", ".join(f'{key}="{value}"' for key, value in pairs.items() if value)
            text = f"{channel}{package.name} =={package.version} {package.build}"
            yield f"{text}[{held}]" if held else text


def _requirements(pip: Mapping[Platform, set[PythonPackage]]) -> Iterator[str]:
    for package in set().union(*pip.values()):
        asking = sorted(platform.machine for platform, found in pip.items() if package in found)
        markers = " or ".join(f'platform_machine == "{machine}"' for machine in asking)
        every = len(asking) == len(pip)
        yield package.requirement if every else f"{package.requirement} ; {markers}"


def short_channel(url: str) -> str:
    """A channel of the well-known host by its name."""
    return url.removeprefix(CHANNEL_HOST).rstrip("/") or url


def _without_hash(names: Iterable[str]) -> Iterator[str]:
    """What another file of the same version would answer as well."""
    if found := sorted(set(names)):
        shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        yield f"the hashes of {shown}, which the file does not give"
