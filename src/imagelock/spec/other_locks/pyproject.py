"""What a project itself requires, from the pyproject.toml beside a lock that does not say so.

PEP 621's table, or Poetry's own with its version constraints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagelock.model.names import PipName, pip_name
from imagelock.spec.other_locks.choosing import NOTHING, Choosing, normal_name
from imagelock.spec.other_locks.pins import normal, plain_marker, with_marker
from imagelock.spec.other_locks.sheet import Node, OpenSheet, Sheet
from imagelock.spec.rule import RuleBroken

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FROM_ELSEWHERE: Final = frozenset({"git", "url", "path", "file"})
_CLAUSE: Final = re.compile(r"(\^|~=|~|[<>=!]=?)?\s*([0-9][0-9A-Za-z.+*!-]*|\*)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """What a project asks for, as PEP 508 lines without URLs.

    ``elsewhere`` are the projects that it takes from a repository, a URL or a path; where that is
    in the end, the lock says.
    """

    lines: tuple[str, ...]
    elsewhere: frozenset[PipName]


def required(sheet: Sheet, choosing: Choosing = NOTHING) -> Required:
    """The project's own requirements, with those of the extras and groups chosen."""
    found: list[str] = []
    elsewhere: set[PipName] = set()
    for node, line in _lines(sheet, choosing):
        with sheet.collecting():
            if isinstance(line, str):
                found += _own(node, line)
                by_place = " @ " in line.partition(";")[0]
                elsewhere |= names_of((line,)) if by_place else set()
            else:
                found += _poetry_lines(node, *line)
                value = node.value[line[0]]
                items = value if isinstance(value, list) else [value]
                if any(isinstance(item, dict) and _FROM_ELSEWHERE & item.keys() for item in items):
                    elsewhere.add(node.as_name(line[0], line[0]))
    sheet.check()
    return Required(lines=tuple(filter(None, found)), elsewhere=frozenset(elsewhere))


Line = str | tuple[str, bool]
"""A PEP 508 line; or a name in a table of Poetry's, and whether it is wanted if optional."""


def _lines(sheet: Sheet, choosing: Choosing) -> Iterator[tuple[Node, Line]]:
    """What is required, each with its place."""
    project = sheet.root.table("project")
    tool = sheet.root.table("tool")
    poetry = tool.table("poetry")
    optional = project.table("optional-dependencies")
    old_extras = poetry.table("extras")
    extras = _known(sheet, choosing, "extra", {**optional.value, **old_extras.value})
    if "dependencies" in project:
        yield from _texts(project, "dependencies")
    wanted = {
        old_extras.as_name(name, extras[extra])
        for extra in choosing.extras
        if extras.get(extra, "") in old_extras
        for name in old_extras.texts(extras[extra])
    }
    table = poetry.table("dependencies")
    for name in table.value:
        is_wanted = name.lower() != "python" and table.as_name(name, name) in wanted
        # Beside PEP 621's list, Poetry's table says only where those come from.
        if is_wanted or ("dependencies" not in project and name.lower() != "python"):
            yield table, (name, is_wanted)
    for extra in choosing.extras:
        if extras.get(extra, "") in optional:
            yield from _texts(optional, extras[extra])
    yield from _of_groups(sheet, poetry, tool, choosing)


def _of_groups(
    sheet: Sheet, poetry: Node, tool: Node, choosing: Choosing
) -> Iterator[tuple[Node, Line]]:
    """What the chosen groups need: PEP 735, Poetry's two kinds and PDM's."""
    standard = sheet.root.table("dependency-groups")
    own = poetry.table("group")
    old = poetry.table("dev-dependencies")
    pdm = tool.table("pdm").table("dev-dependencies")
    listed = {**standard.value, **own.value, **pdm.value, **({"dev": old} if old.value else {})}
    known = _known(sheet, choosing, "group", listed)
    for name in (known[group] for group in choosing.groups if group in known):
        yield from _of_group(standard, name, ())
        if name in pdm:
            yield from _texts(pdm, name)
        tables = [own.table(name).table("dependencies")] if name in own else []
        for table in [*tables, *([old] if name == "dev" else [])]:
            yield from ((table, (item, False)) for item in table.value)


def _of_group(table: Node, name: str, above: tuple[str, ...]) -> Iterator[tuple[Node, Line]]:
    """One group of PEP 735, with those that it includes."""
    items = table.value.get(name, [])
    if name in above or not isinstance(items, list):
        raise table.wrong("expected an array, and no group in itself", key=name)
    for number, item in enumerate(items):
        node = Node({}, (*table.path, name, number))
        if isinstance(item, str):
            yield node, item
        elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
            known = {normal_name(key): key for key in table.value}
            inner = known.get(normal_name(item["include-group"]), "")
            yield from _of_group(table, inner, (*above, name))
        else:
            raise node.wrong("expected a requirement or { include-group = … }")


def _known(sheet: Sheet, choosing: Choosing, kind: str, names: Mapping[str, Any]) -> dict[str, str]:
    try:
        return choosing.known(kind, names)
    except ValueError as error:
        raise sheet.root.wrong(str(error)) from None


def _texts(table: Node, key: str) -> Iterator[tuple[Node, str]]:
    for number, line in enumerate(table.texts(key)):
        yield Node({}, (*table.path, key, number)), line


def names_of(lines: tuple[str, ...]) -> set[PipName]:
    """The projects that PEP 508 lines name."""
    found = (_NAME.match(line) for line in lines)
    return {pip_name(match[0].rstrip("._-")) for match in found if match}


def _own(node: Node, line: str) -> Iterator[str]:
    """One line, or none when it is for an extra."""
    spelled = normal(node, line)
    body, _, marker = spelled.partition(";")
    plain = plain_marker(node, marker)
    if plain is not None:
        yield normal(node, with_marker(body.partition(" @ ")[0], plain))


def _poetry_lines(table: Node, name: str, wanted: bool) -> Iterator[str]:  # noqa: FBT001 (of a pair)
    value = table.value[name]
    for given in value if isinstance(value, list) else [value]:
        item = {"version": given} if isinstance(given, str) else given
        if not isinstance(item, dict):
            raise table.wrong("expected a version or a table", key=name)
        if wanted or item.get("optional") is not True:
            yield _poetry_line(name, Node(item, (*table.path, name)))


def _poetry_line(name: str, item: Node) -> str:
    markers = [_python_marker(item, item.text("python", ""))]
    if "platform" in item:
        markers.append(f"sys_platform == '{item.text('platform')}'")
    markers.append(item.text("markers", ""))
    marker = " and ".join(f"({text})" for text in markers if text)
    plain = plain_marker(item, marker, key="markers")
    if plain is None:
        return ""
    extras = ",".join(item.texts("extras"))
    bracketed = f"[{extras}]" if extras else ""
    specifier = poetry_specifier(item.text("version", "*")) or ""
    return normal(item, with_marker(f"{name}{bracketed}{specifier}", plain))


def _python_marker(item: Node, text: str) -> str:
    """Poetry's ``python`` of a dependency: versions of two parts mean the whole series."""
    specifier = poetry_specifier(text) if text else ""
    if specifier is None:
        raise item.wrong(f"'{text}' is not supported yet", key="python", hint="write markers")
    parts = []
    for clause in filter(None, specifier.split(",")):
        operator, version = re.findall(r"[<>=!~]+|[^<>=!~]+", clause)
        whole = version.count(".") < 2 and "*" not in version
        parts.append(f"python_{'' if whole else 'full_'}version {operator} '{version}'")
    return " and ".join(parts)


def poetry_specifier(text: str) -> str | None:
    """A constraint of Poetry's as a specifier (PEP 440): carets, tildes and bare versions.

    None for alternatives (``||``), which no specifier can say; the lock has chosen among them.
    """
    if "||" in text or "|" in text:
        return None
    clauses = (_clauses(part.strip()) for part in text.split(",") if part.strip())
    found = list(clauses)
    return None if None in found else ",".join(filter(None, found))


def _clauses(text: str) -> str | None:
    match = _CLAUSE.match(text)
    if not match:
        return None
    operator, version = match[1] or "", match[2]
    if version == "*":
        return ""
    if operator in {"^", "~"}:
        return f">={version},<{_bumped(version, operator)}"
    return f"{'==' if operator in {'', '='} else operator}{version}"


def _bumped(version: str, operator: str) -> str:
    """The first version that ``^version`` or ``~version`` leaves out."""
    release = re.match(r"[0-9.]*", version)
    assert release is not None
    parts = [int(part) for part in release[0].strip(".").split(".")]
    if operator == "^":
        place = next((at for at, part in enumerate(parts) if part), len(parts) - 1)
    else:
        place = min(1, len(parts) - 1)
    return ".".join(str(part) for part in (*parts[:place], parts[place] + 1))


def beside(lock: Node, open_sheet: OpenSheet, name: str) -> Sheet:
    """The file beside a lock that says what the project requires. WrongLockError without it."""
    try:
        return open_sheet(name)
    except RuleBroken as error:
        raise lock.wrong(
            f"expected '{name}' beside this lock, which does not say what the project itself"
            f" requires: {error.message}",
            hint="put it there, or export the lock as a requirements file",
        ) from None
