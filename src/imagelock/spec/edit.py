"""Edits of a spec's text that keep its style and comments: ``init``, ``add`` and ``remove``.

Every edit takes text and returns text; the caller parses the result before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, assert_never

from imagelock.model.errors import UsageError
from imagelock.spec.document import parse_document
from imagelock.spec.findings import quoted
from imagelock.spec.positions import scan_positions
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_apt import APT_PACKAGE
from imagelock.spec.rules_pip import PYTHON, REQUIREMENT
from imagelock.spec.rules_place import DISTRIBUTION, IMAGE
from imagelock.spec.rules_text import IMAGE_NAME, SOME_TEXT

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Array

SCHEMA_URL: Final = "schemas/spec.schema.json"


class PackageKind(StrEnum):
    """The tables of a spec that have packages."""

    PIP = "pip"
    APT = "apt"
    CONDA = "conda"


_RULES: Final[dict[PackageKind, Rule]] = {
    PackageKind.PIP: REQUIREMENT,
    PackageKind.APT: APT_PACKAGE,
    PackageKind.CONDA: SOME_TEXT,
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
    document, array = _open(_with_array(text, kind), kind)
    assert array is not None, "it was added where it was missing"
    for package in packages:
        _checked(_RULES[kind], package, f"{kind}.packages")
        same = _places_of(array, kind, _identity(kind, package))
        if not same:
            array.append(package)
            continue
        for index in reversed(same[1:]):
            del array[index]
        if array[same[0]] != package:
            array[same[0]] = package
    return str(document.as_string())


def remove_packages(text: str, kind: PackageKind, packages: Iterable[str]) -> str:
    """Remove packages by name. Raise UsageError for one that the spec does not ask for."""
    document, array = _open(text, kind)
    for package in packages:
        _checked(_RULES[kind], package, f"{kind}.packages")
        name = _identity(kind, package)[0]
        places = [] if array is None else _places_of(array, kind, (name,))
        if array is None or not places:
            raise _not_there(kind, name, array)
        for index in reversed(places):
            del array[index]
    return str(document.as_string())


def _with_array(text: str, kind: PackageKind) -> str:
    """The text with ``packages = []`` in the table, in the place a person would choose."""
    table = parse_document(text, source="<spec>").get(kind)
    if isinstance(table, dict) and "packages" in table:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    header = re.compile(rf"\[[ \t]*{kind}[ \t]*\][^\n]*(\n|\Z)")
    for offset, path in scan_positions(text).keys:
        header = re.compile(rf"\[[ \t]*{kind}[ \t]*\][^\n]*(\n|\Z)")
        start = len(text[:offset].rstrip(" \t")) - 1
        if (
            path == (kind,)
            and (match := header.match(text, start))
            and text[start - 1 : start] != "["
        ):
            ending = "" if match[1] else newline
            return f"{text[: match.end()]}{ending}packages = []{newline}{text[match.end() :]}"
    if isinstance(table, dict) and not _has_only_tables(table):
        document = _parse(text)
        document[kind]["packages"] = []  # a table, as was seen
        return str(document.as_string())
    gap = newline if text.endswith("\n") or not text else newline * 2
    return f"{text}{gap}[{kind}]{newline}packages = []{newline}"


def _has_only_tables(table: dict[str, Any]) -> bool:
    """Whether a table was made by headers below it alone, such as ``[[apt.source]]``."""
    return all(
        isinstance(value, list) and value and isinstance(value[0], dict) for value in table.values()
    )


def _open(text: str, kind: PackageKind) -> tuple[TOMLDocument, Array | None]:
    """The document, and its array of packages if it has one."""
    table = parse_document(text, source="<spec>").get(kind, {})
    items = table.get("packages", []) if isinstance(table, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        msg = f"{kind}.packages: expected an array of strings"
        raise UsageError(msg, hint="correct the spec first")
    document = _parse(text)
    if not isinstance(table, dict) or "packages" not in table:
        return document, None
    return document, document[kind]["packages"]  # as was seen


def _parse(text: str) -> TOMLDocument:
    import tomlkit

    return tomlkit.parse(text)


def _places_of(array: Array, kind: PackageKind, wanted: tuple[str, ...]) -> list[int]:
    """Where the packages are whose identity begins as wanted."""
    return [
        index
        for index, item in enumerate(array)
        if _identity(kind, str(item))[: len(wanted)] == wanted
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


def _not_there(kind: PackageKind, name: str, array: Array | None) -> UsageError:
    names = [_identity(kind, str(item))[0] for item in array or ()]
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else ""
    msg = f"expected a package of the spec, got {quoted(name)}"
    return UsageError(msg, where=f"{kind}.packages", hint=hint)
