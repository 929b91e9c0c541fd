"""The packages of an apt step, who unpacks them, and the calls of dpkg that end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from imagelock.build.oci.sandbox import PATH
from imagelock.layers.deb import Deb, DebControl, refuse_other
from imagelock.layers.entries import Entry, Kind, sort_key
from imagelock.layers.merge import merged_usr
from imagelock.layers.relations import configure_first, unpack_order
from imagelock.model.lock import AptPin
from imagelock.model.plan import AptStep
from imagelock.model.platform import Platform

DEBS: Final = "/run/imagelock"
"""Where a sandbox has the .debs."""

DPKG: Final = ("dpkg", "--log=/dev/null", "--force-unsafe-io", "--force-confold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the lock and its open .deb."""

    pin: AptPin
    deb: Deb
    control: DebControl

    @property
    def has_preinst(self) -> bool:
        """Whether something runs before it is unpacked."""
        return "preinst" in self.control.members

    @property
    def path(self) -> str:
        """Where dpkg finds it in the sandbox."""
        return f"{DEBS}/{self.pin.name}_{self.pin.architecture}.deb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who is merged and who is unpacked by dpkg; the conffiles that wait to be installed."""

    merged: tuple[Package, ...]
    unpacked: tuple[Package, ...]
    conffiles: tuple[str, ...] = ()


def opened(pin: AptPin, file: IO[bytes]) -> Package:
    """A package of the lock. IntegrityError when the .deb is another one."""
    where = f"{pin.name} {pin.version} ({pin.artifact.filename})"
    deb = Deb(file, where=where)
    control = deb.control()
    refuse_other(control, name=pin.name, version=pin.version, where=where)
    return Package(pin=pin, deb=deb, control=control)


def bootstrap_split(packages: tuple[Package, ...]) -> Split:
    """All are merged, since nothing could run before; preinst scripts run later over the files."""
    return Split(merged=packages, unpacked=tuple(p for p in packages if p.has_preinst))


def first_entries(step: AptStep, platform: Platform, epoch: int) -> list[Entry]:
    """What a fresh root has before its packages."""
    if not step.bootstrap:
        return []
    aliases = merged_usr(platform.debian_architecture)
    entries = [
        Entry(path=path, kind=Kind.SYMLINK, mode=0o777, link=target, mtime=epoch)
        for path, target in aliases
    ]
    entries += [
        Entry(path=target, kind=Kind.DIRECTORY, mode=0o755, mtime=epoch) for _, target in aliases
    ]
    if step.sources:
        data = step.sources.encode()
        path = f"etc/apt/sources.list.d/{step.vendor}.sources"
        entries.append(Entry(path=path, size=len(data), content=(data,), mtime=epoch))
    return sorted(entries, key=lambda entry: sort_key(entry.path))


def commands(step: AptStep, split: Split) -> Iterator[tuple[str, ...]]:
    """What is run over the merged packages, in order."""
    if step.removals:
        names = (f"{removal.name}:{removal.architecture}" for removal in step.removals)
        yield (*DPKG, "--force-depends", "--purge", *names)
    if step.bootstrap:
        force = (*DPKG, "--force-depends")
        if split.unpacked:
            yield (*force, "--unpack", *(p.path for p in split.unpacked))
        for name in configure_first([p.control for p in split.merged]):
            yield (*force, "--configure", name)
    else:
        paths = {id(p.control): p.path for p in split.unpacked}
        order = unpack_order([p.control for p in split.unpacked], [p.control for p in split.merged])
        together: list[str] = []
        for control, needed in order:
            # One call for as many as can be: each reads and writes the whole database.
            if needed and together:
                yield (*DPKG, "--unpack", *together)
                together = []
            if needed:
                yield (*DPKG, "--configure", *needed)
            together.append(paths[id(control)])
        if together:
            yield (*DPKG, "--unpack", *together)
    yield (*DPKG, "--configure", "--pending")


def environment(epoch: int) -> tuple[tuple[str, str], ...]:
    """What maintainer scripts see: nothing of the host's."""
    return (
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("FORCE_SOURCE_DATE", "1"),  # TeX reads SOURCE_DATE_EPOCH with it alone
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", PATH),
        ("PYTHONHASHSEED", "0"),
        ("SOURCE_DATE_EPOCH", str(epoch)),
        ("TZ", "UTC0"),
    )
