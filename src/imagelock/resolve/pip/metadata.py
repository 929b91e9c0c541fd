"""The headers of METADATA and PKG-INFO files (core metadata specification), and nothing else."""

from __future__ import annotations

from imagelock.resolve.pip.ports import CoreMetadata


def parse_metadata(data: bytes) -> CoreMetadata:
    """Read the headers; the description is not looked at. ValueError without a name or version.

    The email package is not used: its import alone costs more than reading a hundred files.
    """
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {"requires-dist": [], "provides-extra": [], "dynamic": []}
    key = ""
    for ended in data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n"):
        line = ended.rstrip("\r")
        if not line:
            break
        if line[0] in " \t":
            _continue(single, several, key, line)
            continue
        name, colon, value = line.partition(":")
        if not colon:
            continue
        key = name.strip().lower()
        if key in several:
            several[key].append(value.strip())
        else:
            single.setdefault(key, value.strip())
    for wanted in ("name", "version"):
        if not single.get(wanted):
            msg = f"expected a '{wanted.capitalize()}' field, got none"
            raise ValueError(msg)
    return CoreMetadata(
        name=single["name"],
        version=single["version"],
        requires_python=single.get("requires-python") or None,
        requires_dist=tuple(several["requires-dist"]),
        provides_extra=tuple(several["provides-extra"]),
        metadata_version=single.get("metadata-version", ""),
        dynamic=tuple(value.lower() for value in several["dynamic"]),
    )


def _continue(single: dict[str, str], several: dict[str, list[str]], key: str, line: str) -> None:
    """Append a folded line to the field it continues."""
    if several.get(key):
        several[key][-1] += " " + line.strip()
    elif key in single:
        single[key] += " " + line.strip()


def is_static(metadata: CoreMetadata) -> bool:
    """Whether an sdist's metadata holds for every wheel built from it (PEP 643)."""
    numbers = metadata.metadata_version.split(".")
    if not all(map(str.isdigit, numbers)) or tuple(map(int, numbers)) < (2, 2):
        return False
    deciding = {"requires-dist", "requires-python", "provides-extra", "name", "version"}
    return deciding.isdisjoint(metadata.dynamic)
