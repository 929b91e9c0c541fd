"""What every reader of a lock makes of it, and how that becomes requirements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from imagelock.model.names import PipName, sha256
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.choosing import NOTHING, Choosing
from imagelock.spec.other_locks.markers import marker_text
from imagelock.spec.other_locks.sheet import Node, Sheet, WrongLockError
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_pip import CONSTRAINT, REQUIREMENT

Key = TypeVar("Key")

_VERSION: Final = re.compile(r"[0-9A-Za-z.!+_-]+")
_NAME: Final = re.compile(r"[a-z0-9-]+")
_LOCAL: Final = frozenset({"path", "directory", "editable", "virtual", "file", "workspace"})
_BUILD_A_WHEEL: Final = "put a wheel of it on an index, and depend on its version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One locked version. ``markers``: it is for targets where any of them holds; none is all.

    ``hashes`` are ``sha256:`` and 64 digits, of the files that may fit a Linux.
    """

    name: PipName
    version: str
    node: Node
    hashes: tuple[str, ...]
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is taken over from a lock: requirements as PEP 508 lines, and the pins they lead to."""

    requirements: tuple[str, ...]
    pins: tuple[Pin, ...]
    requires_python: str = ""
    overrides: tuple[str, ...] = ()


def requirements_file(path: str, taken: Taken, sheet: Sheet) -> RequirementsFile:
    """The lock as the resolver's input. Raise SpecError with every problem of the sheet."""
    _check_forks(taken.pins, sheet)
    _check_complete(taken, sheet)
    constraints: set[str] = set()
    hashes: dict[str, set[str]] = {}
    for pin in taken.pins:
        with sheet.collecting():
            if not _VERSION.fullmatch(pin.version):
                raise pin.node.wrong(f"expected a version, got {quoted(pin.version)}")
            exact = f"{pin.name}=={pin.version}"
            hashes.setdefault(normal(pin.node, exact, rule_is_constraint=True), set()).update(
                pin.hashes
            )
            for marker in pin.markers or ("",):
                line = with_marker(exact, marker)
                constraints.add(normal(pin.node, line, rule_is_constraint=True))
    pythons = ""
    with sheet.collecting():
        pythons = _pythons(sheet.root, taken.requires_python)
    sheet.check()
    return RequirementsFile(
        path=path,
        requirements=tuple(sorted(set(taken.requirements))),
        constraints=tuple(sorted(constraints)),
        pinned=True,
        hashes=tuple((line, tuple(sorted(values))) for line, values in sorted(hashes.items())),
        requires_python=pythons,
        overrides=tuple(sorted(set(taken.overrides))),
    )


def _check_complete(taken: Taken, sheet: Sheet) -> None:
    """What is required on every target must be locked: a lock may be behind its project."""
    locked = {pin.name for pin in taken.pins} | set(_direct_names(taken.requirements))
    for line in taken.requirements:
        match = _NAME.match(line)
        if match and match[0] not in locked and ";" not in line and not sheet.findings:
            with sheet.collecting():
                raise not_held(sheet.root, match[0])


def _direct_names(lines: Iterable[str]) -> Iterator[PipName]:
    """The projects that requirements name by their place."""
    for line in lines:
        match = _NAME.match(line)
        if match and " @ " in line.partition(";")[0]:
            yield PipName(match[0])


def _pythons(root: Node, text: str) -> str:
    """The specifier in one spelling. WrongLockError for what is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        msg = f"expected a specifier of Python versions, got {quoted(text)}"
        raise root.wrong(msg) from None


def _check_forks(pins: Iterable[Pin], sheet: Sheet) -> None:
    """Several versions of a project must say which targets each is for."""
    by_name: dict[PipName, list[Pin]] = {}
    for pin in pins:
        by_name.setdefault(pin.name, []).append(pin)
    for name, same in by_name.items():
        versions = sorted({pin.version for pin in same})
        open_ended = [pin for pin in same if not pin.markers]
        if len(versions) > 1 and open_ended:
            with sheet.collecting():
                raise open_ended[0].node.wrong(
                    f"{name} is locked in several versions ({', '.join(versions)}), and this one"
                    " does not say for which targets",
                    hint="lock again with a newer version of the tool that wrote this",
                )


def with_marker(line: str, marker: str) -> str:
    """A requirement under a marker, empty for none."""
    return f"{line}; {marker}" if marker else line


def normal(node: Node, line: str, *, key: str | int = "", rule_is_constraint: bool = False) -> str:
    """A requirement in the spec's one spelling. WrongLockError for what is none."""
    try:
        return str((CONSTRAINT if rule_is_constraint else REQUIREMENT).apply(line))
    except RuleBroken as error:
        raise node.wrong(error.message, key=key, hint=error.hint) from None


def plain_marker(
    node: Node, text: str, *, key: str = "", choosing: Choosing = NOTHING
) -> str | None:
    """A marker without extras and groups, which the choice decides; None: it never holds."""
    try:
        return marker_text(text, choosing)
    except ValueError as error:
        raise node.wrong(str(error), key=key) from None


def sha256_of(node: Node, text: str, key: str | int = "hash") -> str:
    """``sha256:…`` from a lock. WrongLockError for any other algorithm."""
    algorithm, _, digits = text.partition(":")
    if algorithm != "sha256":
        raise node.wrong(f"expected a hash like 'sha256:…', got {quoted(text)}", key=key)
    try:
        return f"sha256:{sha256(digits)}"
    except ValueError as error:
        raise node.wrong(str(error), key=key) from None


def hashes_of(node: Node, files: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The hashes to hold a version by, from pairs of a file's name and hash, sorted.

    Images are Linux: the hashes of wheels for other systems alone would only make a lock longer,
    unless there are no others. WrongLockError when there is no hash at all.
    """
    found = sorted({(hashed, _may_fit_linux(name)) for name, hashed in files})
    if not found:
        raise node.wrong(
            "expected the sha256 of at least one file, got none",
            hint="lock again from an index that gives hashes",
        )
    any_fits = any(fits for _hash, fits in found)
    return tuple(hashed for hashed, fits in found if fits or not any_fits)


def _may_fit_linux(filename: str) -> bool:
    if not filename.endswith(".whl"):
        return True
    platforms = filename.removesuffix(".whl").rpartition("-")[2]
    return any(tag == "any" or "linux" in tag for tag in platforms.split("."))


def not_from_an_index(node: Node, kind: str, *, key: str | int = "") -> WrongLockError:
    """The error for a package that no index gives."""
    where = "a folder or file of the project" if kind in _LOCAL else f"'{kind}'"
    hint = f"bring it in with [[copy]], or {_BUILD_A_WHEEL}" if kind in _LOCAL else _BUILD_A_WHEEL
    return node.wrong(f"a package from {where} is not supported yet", key=key, hint=hint)


def not_held(node: Node, name: str) -> WrongLockError:
    """The error for a requirement that a lock leaves open."""
    return node.wrong(
        f"{name} is required, but this lock does not hold it",
        hint="lock again with the tool that wrote this",
    )


def reached(roots: Iterable[Key], edges: Mapping[Key, Iterable[Key]]) -> set[Key]:
    """What the roots lead to, themselves included."""
    waiting = list(roots)
    seen: set[Key] = set()
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen.add(item)
            waiting += edges.get(item, ())
    return seen
