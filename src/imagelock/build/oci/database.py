"""dpkg's database as it must be when merged packages wait to be configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagelock.layers.deb import DebControl
from imagelock.layers.dpkg import (
    DATABASE,
    Triggers,
    extended_states,
    read_status,
    status_stanza,
)
from imagelock.layers.dpkg_filter import read_filter
from imagelock.layers.merge import Below

_STATES = "var/lib/apt/extended_states"


@dataclass(slots=True)
class Database:
    """What lies below, and what merged packages add to it."""

    status: str = ""
    states: str = ""
    installed: frozenset[tuple[str, str]] = frozenset()
    triggers: Triggers = field(default_factory=Triggers)
    stanzas: list[str] = field(default_factory=list)

    def has(self, control: DebControl) -> bool:
        """Whether some version of the package is there already."""
        name = str(control.name)
        if control.same:
            return (name, control.architecture) in self.installed
        return any(installed == name for installed, _ in self.installed)

    def add(self, packages: Iterable[tuple[DebControl, Mapping[str, str], Iterable[str]]]) -> None:
        """Add merged packages: control, md5 of conffiles by path, and the paths unpacked."""
        listed = list(packages)
        for control, conffiles, _ in listed:
            self.stanzas.append(status_stanza(control, conffiles))
            self.triggers.add_interests(control)
        for control, _, paths in listed:
            self.triggers.activate(control, paths)

    def mark(self, automatic: Iterable[DebControl]) -> None:
        """Note packages that nobody asked for by name (apt-mark(8))."""
        pairs = sorted((str(control.name), control.architecture) for control in automatic)
        self.states = _joined(self.states, extended_states(pairs))

    def written(self) -> Iterator[tuple[str, str]]:
        """Path and text of each file to write before dpkg runs."""
        yield f"{DATABASE}/status", _joined(self.status, "\n".join(self.stanzas))
        yield f"{DATABASE}/info/format", "1\n"
        if self.states:
            yield _STATES, self.states
        for path, data in self.triggers.written():
            yield path, data.decode()


def read_below(survey: Mapping[str, Any]) -> tuple[Database, Below]:
    """What a survey of the layers below says (:mod:`imagelock.build.oci.inside.survey`)."""
    files: Mapping[str, str] = survey.get("files", {})
    status = files.get(f"{DATABASE}/status", "")
    installed = {
        pair
        for pair, fields in read_status(status).items()
        if not fields.get("Status", "").endswith(("not-installed", "config-files"))
    }
    database = Database(
        status=status, states=files.get(_STATES, ""), installed=frozenset(installed)
    )
    for path, text in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if path == f"{DATABASE}/triggers/File":
            database.triggers.read_file_interests(text)
        elif folder == f"{DATABASE}/triggers":
            database.triggers.read_name_interests(name, text)
    links: Mapping[str, str] = survey.get("links", {})
    under = Below(
        links=links,
        folders={path: (m, u, g) for path, (m, u, g) in survey.get("folders", {}).items()},
        special=frozenset(_canonical(path, links) for path in _special(files)),
        left_out=read_filter(files),
    )
    return database, under


def _special(files: Mapping[str, str]) -> Iterator[str]:
    """Diverted paths (three lines each, dpkg-divert(1)) and overridden ones (the last field)."""
    lines = files.get(f"{DATABASE}/diversions", "").splitlines()
    for number in range(0, len(lines) - 2, 3):
        yield lines[number]
        yield lines[number + 1]
    for line in files.get(f"{DATABASE}/statoverride", "").splitlines():
        yield line.rpartition(" ")[2]


def _canonical(path: str, links: Mapping[str, str]) -> str:
    folder, _, name = path.strip("/").rpartition("/")
    done = ""
    for part in folder.split("/"):
        done = f"{done}/{part}" if done else part
        done = links.get(done, done)
    return f"{done}/{name}" if done else name


def _joined(before: str, after: str) -> str:
    """Two runs of paragraphs, parted by one empty line."""
    parts = [part.strip("\n") for part in (before, after) if part.strip("\n")]
    return "\n\n".join(parts) + "\n" if parts else ""
