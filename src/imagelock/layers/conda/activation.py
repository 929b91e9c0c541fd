"""What `conda activate` would do, as far as an image's config can say it (conda's "activate.d").

A script of plain assignments becomes variables of the image. One that does more is named: nothing
runs at build time, and a container starts without a shell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

SCRIPTS: Final = "etc/conda/activate.d/"
VARIABLES: Final = "etc/conda/env_vars.d/"
LARGEST: Final = 1 << 20
"""Bytes of a script that are read; a longer one is not plain."""

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_ASSIGNMENT: Final = re.compile(
    rf"(?P<export>export[ \t]+)?(?P<name>{_NAME})="
    r"""(?P<value>"[^"`\\]*"|'[^']*'|[^\s"'`\\;&|<>()#*?~\[\]{}$]*(?:\$\{?\w+\}?"""
    r"""[^\s"'`\\;&|<>()#*?~\[\]{}$]*)*)[ \t]*;?[ \t]*(?:#.*)?"""
)
_EXPORT: Final = re.compile(rf"export[ \t]+(?P<names>{_NAME}(?:[ \t]+{_NAME})*)[ \t]*;?")
_REFERENCE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+)|(?P<other>.?))")


def is_activation(place: str) -> bool:
    """Whether a path below the prefix says something about activation for a POSIX shell."""
    folder, _, name = place.rpartition("/")
    return (f"{folder}/" == SCRIPTS and name.endswith(".sh")) or (
        f"{folder}/" == VARIABLES and name.endswith(".json")
    )


def activation_variables(place: str, content: bytes, prefix: str) -> dict[str, str] | None:
    """The variables that a file sets, in order; None for a script that does more than that."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if place.startswith(VARIABLES):
        return _listed(text)
    return _assigned(text, {"CONDA_PREFIX": prefix})


def _listed(text: str) -> dict[str, str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not all(
        isinstance(item, str) and re.fullmatch(_NAME, key) and key != "PATH" and "\0" not in item
        for key, item in value.items()
    ):
        return None
    return {key: value[key] for key in sorted(value)}


def _assigned(text: str, known: Mapping[str, str]) -> dict[str, str] | None:
    values = dict(known)
    exported: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if match := _EXPORT.fullmatch(stripped):
            names = match["names"].split()
            if not values.keys() >= set(names):
                return None
            exported |= {name: values[name] for name in names}
            continue
        match = _ASSIGNMENT.fullmatch(stripped)
        value = _expanded(match["value"], values) if match else None
        if match is None or value is None or "\0" in value or match["name"] == "PATH":
            return None
        values[match["name"]] = value
        if match["export"] or match["name"] in exported:
            exported[match["name"]] = value
    return exported


def _expanded(value: str, known: Mapping[str, str]) -> str | None:
    """The value without its quotes, references followed; None for one that is not known here."""
    if value.startswith("'"):
        return value[1:-1]
    parts: list[str] = []
    end = 0
    bare = value.strip('"') if value.startswith('"') else value
    for match in _REFERENCE.finditer(bare):
        name = match["braced"] or match["bare"]
        if name not in known:
            return None
        parts += [bare[end : match.start()], known[name]]
        end = match.end()
    return "".join([*parts, bare[end:]])


def merged(found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The variables of all files by their path: lists first, then scripts, each by name."""
    ordered = sorted(found, key=lambda place: (not place.startswith(VARIABLES), place))
    return {key: value for place in ordered for key, value in found[place].items()}
