"""Edits of a spec's text that keep its style and comments: ``init``, ``add`` and ``remove``.

Every edit takes text and returns text; the caller parses the result before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, assert_never

from imagelock.model.errors import UsageError
from imagelock.spec.document import parse_document
from imagelock.spec.findings import quoted
from imagelock.spec.positions import scan_positions
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_apt import APT_PACKAGE
from imagelock.spec.rules_conda import MATCH_SPEC
from imagelock.spec.rules_pip import PYTHON, REQUIREMENT
from imagelock.spec.rules_place import DISTRIBUTION, IMAGE
from imagelock.spec.rules_text import IMAGE_NAME
from imagelock.spec.text_array import TextArray, end_of_line, newline_of

SCHEMA_URL: Final = "schemas/spec.schema.json"


class PackageKind(StrEnum):
    """The tables of a spec that have packages."""

    PIP = "pip"
    APT = "apt"
    CONDA = "conda"


_RULES: Final[dict[PackageKind, Rule]] = {
    PackageKind.PIP: REQUIREMENT,
    PackageKind.APT: APT_PACKAGE,
    PackageKind.CONDA: MATCH_SPEC,
}


def new_spec(
    name: str,
    *,
    base: str = "debian:bookworm",
    python: str | None = None,
    schema: str = SCHEMA_URL,
) -> str:
    """The text of a first spec. ``base`` is a known distribution, or else an image reference.

    Raise UsageError for what no spec may have.
    """
    checked = _checked(IMAGE_NAME, name, "name")
    try:
        kind, value = "distribution", str(DISTRIBUTION.apply(base))
    except RuleBroken:
        kind, value = "image", _checked(IMAGE, base, "base")
    wanted = f'python = "{_checked(PYTHON, python, "python")}"' if python else '# python = "3.12"'
    return f"""\
#:schema {schema}
# What the image holds. `imagelock lock` pins it, `imagelock build` builds what is pinned.
name = "{checked}"
{wanted}

[base]
{kind} = "{value}"

[pip]  # like "numpy>=2"
packages = []

[apt]  # like "git"
packages = []
"""


def add_packages(text: str, kind: PackageKind, packages: Iterable[str]) -> str:
    """Add packages, or replace those of the same name where they stand.

    Raise UsageError for what is no package, SpecError where the text is not TOML.
    """
    text = _with_array(text, kind)
    for package in packages:
        _checked(_RULES[kind], package, f"{kind}.packages")
        array = TextArray(text, (kind, "packages"))
        same = _places_of(array.values, kind, _identity(kind, package))
        if not same:
            text = array.with_appended(package)
            continue
        for index in reversed(same[1:]):
            text = TextArray(text, array.path).without(index)
        if array.values[same[0]] != package:
            text = TextArray(text, array.path).with_replaced(same[0], package)
    return text


def remove_packages(text: str, kind: PackageKind, packages: Iterable[str]) -> str:
    """Remove packages by name. Raise UsageError for one that the spec does not ask for."""
    for package in packages:
        _checked(_RULES[kind], package, f"{kind}.packages")
        name = _identity(kind, package)[0]
        listed = _listed(text, kind) or []
        places = _places_of(listed, kind, (name,))
        if not places:
            raise _not_there(kind, name, listed)
        for index in reversed(places):
            text = TextArray(text, (kind, "packages")).without(index)
    return text


def _listed(text: str, kind: PackageKind) -> list[str] | None:
    """The packages of a table; None where it has no list. UsageError for what is none."""
    table = parse_document(text, source="<spec>").get(kind, {})
    if not isinstance(table, dict):
        raise UsageError(f"{kind}: expected a table", hint="correct the spec first")
    items = table.get("packages")
    if items is None:
        return None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        msg = f"{kind}.packages: expected an array of strings"
        raise UsageError(msg, hint="correct the spec first")
    return items


def _with_array(text: str, kind: PackageKind) -> str:
    """The text with ``packages = []`` in the table, in the place a person would choose."""
    if _listed(text, kind) is not None:
        return text
    newline = newline_of(text)
    positions = scan_positions(text)
    header = re.compile(rf"\[[ \t]*[\"']?{kind}[\"']?[ \t]*\][^\n]*(\n|\Z)")
    for offset, path in positions.keys:
        start = len(text[:offset].rstrip(" \t")) - 1
        match = header.match(text, start)
        if path == (kind,) and match and text[start - 1 : start] != "[":
            ending = "" if match[1] else newline
            return f"{text[: match.end()]}{ending}packages = []{newline}{text[match.end() :]}"
    place = positions.places.get((kind,))
    if place and text[place.value] == "{":
        end = len(text[: positions.ends[kind,] - 1].rstrip())
        comma = " " if text[end - 1] == "{" else ", "
        return f"{text[:end]}{comma}packages = []{text[end:]}"
    if place and text[place.value] != "[":
        last = max(end for path, end in positions.ends.items() if path[0] == kind)
        end = end_of_line(text, last)
        return f"{text[:end]}{newline}{kind}.packages = []{text[end:]}"
    gap = newline if text.endswith("\n") or not text else newline * 2
    return f"{text}{gap}[{kind}]{newline}packages = []{newline}"


def _places_of(packages: Sequence[str], kind: PackageKind, wanted: tuple[str, ...]) -> list[int]:
    """Where the packages are whose identity begins as wanted."""
    return [
        index
        for index, package in enumerate(packages)
        if _identity(kind, package)[: len(wanted)] == wanted
    ]


def _identity(kind: PackageKind, package: str) -> tuple[str, ...]:
    """What two entries share when one replaces the other; the name comes first."""
    match kind:
        case PackageKind.PIP:
            return _requirement_identity(package)
        case PackageKind.APT:
            name, _, architecture = re.split(r"[=/]", package)[0].removesuffix("-").partition(":")
            return name, architecture
        case PackageKind.CONDA:
            return (re.split(r"[\s=<>!~\[]", package.rpartition("::")[2])[0].lower(),)
    assert_never(kind)


def _requirement_identity(package: str) -> tuple[str, ...]:
    try:
        requirement, _, marker = str(REQUIREMENT.apply(package)).partition("; ")
    except RuleBroken:
        return (package, "")
    return re.split(r"[^a-z0-9-]", requirement)[0], marker


def _checked(rule: Rule, text: str, where: str) -> str:
    try:
        return str(rule.apply(text))
    except RuleBroken as error:
        raise UsageError(error.message, where=where, hint=error.hint) from None


def _not_there(kind: PackageKind, name: str, listed: Iterable[str]) -> UsageError:
    close = get_close_matches(name, [_identity(kind, package)[0] for package in listed], n=1)
    hint = f"did you mean '{close[0]}'?" if close else ""
    msg = f"expected a package of the spec, got {quoted(name)}"
    return UsageError(msg, where=f"{kind}.packages", hint=hint)
