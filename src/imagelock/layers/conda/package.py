"""One conda package placed in a prefix: which of its paths goes where (CEP 34, CEP 20).

The files of a noarch python package go where the environment's Python looks; entry points get a
launcher. Everything else keeps its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Final

from imagelock.layers.conda.archive import CondaArchive
from imagelock.layers.conda.info import CondaInfo, PathEntry
from imagelock.layers.scripts import entry_point_script
from imagelock.layers.untar import broken
from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.lock import CondaPin

META: Final = "conda-meta"
_SITE_PACKAGES: Final = "site-packages/"
_SCRIPTS: Final = "python-scripts/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where packages go. ``prefix`` is absolute; ``python`` is like ``3.12``, empty without one.

    ``site_packages`` is below the prefix.
    """

    prefix: str
    python: str = ""
    site_packages: str = ""

    @property
    def root(self) -> str:
        """The prefix as members of a layer spell it."""
        return self.prefix.strip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPackage:
    """A package and where its parts go, all paths below the prefix.

    ``files`` has the archive's entries by their place, ``scripts`` the launchers made for it;
    ``moved`` are pairs of the place a path would have had and the one that links lead to.
    """

    pin: CondaPin
    info: CondaInfo
    files: Mapping[str, PathEntry]
    scripts: Mapping[str, bytes]
    moved: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.pin.name} {self.pin.version}"

    @property
    def meta(self) -> str:
        """Its own file in conda-meta."""
        return f"{META}/{self.pin.name}-{self.pin.version}-{self.pin.build}.json"

    @property
    def places(self) -> list[str]:
        """Every path it puts into the prefix, but for its own conda-meta file."""
        return [*self.files, *self.scripts]


def place_package(
    pin: CondaPin, info: CondaInfo, environment: Environment, *, where: str
) -> PlacedPackage:
    """Place a package. IntegrityError when it is not the one that was locked, or is unsafe."""
    _refuse_other(pin, info, where)
    files: dict[str, PathEntry] = {}
    scripts: dict[str, bytes] = {}
    if info.noarch == "python":
        if not environment.python:
            raise BuildError(
                f"{pin.name} is a Python package, and the lock has no conda python",
                where=where,
                hint="run `imagelock lock --upgrade`",
            )
        interpreter = f"{environment.prefix}/bin/python{environment.python}"
        for point in info.entry_points:
            name, _, value = point.partition("=")
            script = entry_point_script(name.strip(), value, interpreter, where=where)
            scripts[f"bin/{name.strip()}"] = script
    for entry in info.paths:
        place = _place(entry.path, info, environment)
        if place in scripts:
            continue  # the launcher that its entry point asks for is the one that runs
        if place in files:
            raise broken(f"two of its files go to {place!r}", where)
        files[place] = entry
    return PlacedPackage(pin=pin, info=info, files=files, scripts=scripts)


def archive_of(pin: CondaPin, opened: Callable[[], IO[bytes]]) -> CondaArchive:
    """The archive of a pin; ``opened`` opens its file for reading."""
    return CondaArchive(
        opened,
        filename=pin.artifact.filename,
        where=f"{pin.name} {pin.version} ({pin.artifact.filename})",
        size=pin.artifact.size,
    )


def link_script(place: str, name: str) -> bool:
    """Whether conda would run a file of a package as it links or unlinks it."""
    found = place.removeprefix(f"bin/.{name}-")
    return found in {"pre-link.sh", "post-link.sh", "pre-unlink.sh"} and found != place


def _place(path: str, info: CondaInfo, environment: Environment) -> str:
    if info.noarch == "python":
        if path.startswith(_SITE_PACKAGES):
            return f"{environment.site_packages}/{path.removeprefix(_SITE_PACKAGES)}"
        if path.startswith(_SCRIPTS):
            return f"bin/{path.removeprefix(_SCRIPTS)}"
    return path


def _refuse_other(pin: CondaPin, info: CondaInfo, where: str) -> None:
    pairs = (
        ("name", pin.name, info.name),
        ("version", pin.version, info.version),
        ("build", pin.build, info.build),
    )
    for field, expected, found in pairs:
        if expected != found:
            raise IntegrityError(
                f"expected the {field} '{expected}', found '{found[:80]}'",
                where=where,
                hint="the channel's repodata.json does not describe its packages: do not use it",
            )
