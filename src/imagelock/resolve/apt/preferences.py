"""Pins of a base's apt_preferences(5) files: which versions it prefers, or never wants."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

from imagelock.model.debian import BinaryPackage
from imagelock.model.errors import NoSolution
from imagelock.resolve.apt.stanza import parse_fields

_RELEASE_FIELDS = {"a": "suites", "n": "suites", "c": "component", "o": "origin", "l": "label"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Where a version is listed, in the terms of a pin; ``suites`` are its suite's names."""

    suites: tuple[str, ...] = ()
    component: str = ""
    origin: str = ""
    label: str = ""
    host: str = ""
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One record: ``packages`` are the words of its Package field; ``*`` alone is general."""

    packages: tuple[str, ...]
    kind: str
    value: str
    priority: int

    @property
    def is_general(self) -> bool:
        """Whether it is for all packages, and so yields to records that name some."""
        return self.packages == ("*",)

    def names(self, package: BinaryPackage) -> bool:
        """Whether the record is for a package."""
        return any(_matches(word, package) for word in self.packages)

    def pins(self, package: BinaryPackage, listing: Listing) -> bool:
        """Whether the Pin line is about this version, listed there."""
        match self.kind:
            case "version":
                return _like(self.value, package.version)
            case "origin":
                return self.value.strip('"') == listing.host
            case _:
                return all(_of_release(part.strip(), listing) for part in self.value.split(","))


def parse_preferences(data: bytes, *, where: str) -> tuple[Preference, ...]:
    """The records of one file, in order. NoSolution for a record that cannot be read."""
    records: list[Preference] = []
    text = "\n".join(
        line for line in data.decode("utf-8", "replace").splitlines() if not line.startswith("#")
    )
    for stanza in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")):
        fields = {name.lower(): value.strip() for name, value in parse_fields(stanza).items()}
        if not fields.keys() - {"explanation"}:
            continue
        kind, _, value = fields.get("pin", "").partition(" ")
        priority = fields.get("pin-priority", "")
        known = kind in {"version", "release", "origin"} and "package" in fields
        if not known or not re.fullmatch(r"[+-]?\d+", priority) or not int(priority):
            raise NoSolution(
                f"this record cannot be read: {' / '.join(stanza.splitlines())}",
                where=where,
                hint="a record has a Package, a Pin and a Pin-Priority other than 0",
            )
        records.append(
            Preference(
                packages=tuple(fields["package"].split()),
                kind=kind,
                value=value.strip(),
                priority=int(priority),
            )
        )
    return tuple(records)


def pinned_priority(
    preferences: tuple[Preference, ...], package: BinaryPackage, listing: Listing, default: int
) -> int:
    """The priority of a version: by the first record that names it, else the first general one."""
    for general in (False, True):
        for record in preferences:
            if (
                record.is_general is general
                and record.names(package)
                and record.pins(package, listing)
            ):
                return record.priority
    return default


def _matches(word: str, package: BinaryPackage) -> bool:
    if word.startswith("src:"):
        return _like(word.removeprefix("src:"), package.source)
    name, _, architecture = word.partition(":")
    if architecture not in {"", "any", package.architecture}:
        return False
    return _like(name, package.name)


def _like(pattern: str, text: str) -> bool:
    """A glob, or a regular expression between slashes (apt_preferences(5))."""
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.search(pattern[1:-1], text) is not None
    return fnmatch.fnmatchcase(text, pattern)


def _of_release(part: str, listing: Listing) -> bool:
    name, equals, value = part.partition("=")
    value = value.strip('"')
    if not equals:
        return any(_like(part, suite) for suite in listing.suites)
    if name == "b":
        return _like(value, listing.architecture)
    field = _RELEASE_FIELDS.get(name)
    if field is None:
        return False
    found = getattr(listing, field)
    return any(_like(value, item) for item in (found if isinstance(found, tuple) else (found,)))
