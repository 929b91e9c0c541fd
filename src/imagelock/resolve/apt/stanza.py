"""Stanzas of Packages and dpkg status files as values (deb822(5), deb-control(5))."""

from __future__ import annotations

import re
from typing import Final

from imagelock.model.debian import Alternatives, BinaryPackage, parse_relations
from imagelock.model.names import Sha256, sha256

_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_SOURCE: Final = re.compile(r"(\S+)(?:\s+\((\S+)\))?\Z")


def parse_fields(stanza: str) -> dict[str, str]:
    """The fields of one stanza, continuation lines kept."""
    return dict(_FIELD.findall(stanza))


def _is_yes(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "no").strip() == "yes"


def package_from_fields(fields: dict[str, str], *, origin: int = -1) -> BinaryPackage:
    """One package. KeyError for a missing mandatory field, ValueError for a wrong one.

    Installed packages that are Protected count as essential: neither is ever removed.
    """
    name, version = fields["Package"].strip(), fields["Version"].strip()
    source = _SOURCE.match(fields.get("Source", "").strip())
    listed = origin >= 0

    def relations(field: str) -> tuple[Alternatives, ...]:
        return parse_relations(fields[field].replace("\n", " ")) if field in fields else ()

    return BinaryPackage(
        name=name,
        version=version,
        architecture=fields["Architecture"].strip(),
        source=source[1] if source else name,
        source_version=(source[2] if source else None) or version,
        priority=fields.get("Priority", "optional").strip(),
        essential=_is_yes(fields, "Essential") or (not listed and _is_yes(fields, "Protected")),
        multi_arch=fields.get("Multi-Arch", "no").strip(),
        pre_depends=relations("Pre-Depends"),
        depends=relations("Depends"),
        recommends=relations("Recommends"),
        conflicts=relations("Conflicts"),
        breaks=relations("Breaks"),
        replaces=relations("Replaces"),
        provides=relations("Provides"),
        origin=origin,
        path=fields["Filename"].strip().removeprefix("./") if listed else "",
        sha256=sha256(fields["SHA256"].strip()) if listed else Sha256(""),
        size=int(fields["Size"]) if listed else 0,
    )
