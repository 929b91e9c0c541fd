"""Stanzas of fields as in Debian's control files (deb822(5))."""

from __future__ import annotations

from collections.abc import Iterator


def stanzas(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Every stanza with the line it starts on: field names in lower case, values stripped.

    Continuation lines are joined with newlines; lines that are no field are skipped.
    """
    fields: dict[str, str] = {}
    start, name = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if fields:
                yield start, fields
            fields, name = {}, ""
        elif line.startswith("#"):
            continue
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.strip()
        else:
            key, colon, value = line.partition(":")
            if not fields:
                start = number
            name = key.strip().lower() if colon else ""
            if name:
                fields[name] = value.strip()
    if fields:
        yield start, fields


def installed_versions(status: bytes) -> dict[str, str]:
    """Package to version of what a dpkg status file says is installed.

    A stanza without a Status field counts: ``status.d`` files of distroless images have none.
    """
    found: dict[str, str] = {}
    for _line, fields in stanzas(status.decode(errors="replace")):
        state = fields.get("status", "install ok installed")
        if "package" in fields and "version" in fields and state.split()[-1:] == ["installed"]:
            found.setdefault(fields["package"], fields["version"])
    return found
