"""What a project itself requires, from the pyproject.toml beside a lock that does not say so.

PEP 621's table, or Poetry's own with its version constraints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imagelock.model.names import PipName, pip_name
from imagelock.spec.other_locks.pins import normal, plain_marker, with_marker
from imagelock.spec.other_locks.sheet import Node, OpenSheet, Sheet
from imagelock.spec.rule import RuleBroken

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CLAUSE: Final = re.compile(r"(\^|~=|~|[<>=!]=?)?\s*([0-9][0-9A-Za-z.+*!-]*|\*)\Z")
_FROM_ELSEWHERE: Final = ("git", "url", "path", "file", "develop")


def required(sheet: Sheet) -> tuple[str, ...]:
    """The project's own requirements as PEP 508 lines, without extras and groups."""
    project = sheet.root.table("project")
    poetry = sheet.root.table("tool").table("poetry").table("dependencies")
    found: list[str] = []
    if "dependencies" in project:
        for number, line in enumerate(project.texts("dependencies")):
            with sheet.collecting():
                found.append(_own(Node({}, (*project.path, "dependencies", number)), line))
    else:
        for name in poetry.value:
            if name.lower() != "python":
                with sheet.collecting():
                    found += _poetry_lines(poetry, name)
    sheet.check()
    return tuple(line for line in found if line)


def names_of(lines: tuple[str, ...]) -> set[PipName]:
    """The projects that PEP 508 lines name."""
    found = (_NAME.match(line) for line in lines)
    return {pip_name(match[0].rstrip("._-")) for match in found if match}


def _own(node: Node, line: str) -> str:
    """One line, empty when it is for an extra."""
    spelled = normal(node, line)
    body, _, marker = spelled.partition(";")
    plain = plain_marker(node, marker)
    return "" if plain is None else normal(node, with_marker(body, plain))


def _poetry_lines(table: Node, name: str) -> Iterator[str]:
    value = table.value[name]
    for given in value if isinstance(value, list) else [value]:
        item = {"version": given} if isinstance(given, str) else given
        if not isinstance(item, dict):
            raise table.wrong("expected a version or a table", key=name)
        if item.get("optional") is not True:
            yield _poetry_line(table, name, Node(item, (*table.path, name)))


def _poetry_line(table: Node, name: str, item: Node) -> str:
    if kind := next((kind for kind in _FROM_ELSEWHERE if kind in item), ""):
        raise table.wrong(f"a dependency by {kind} is not supported yet", key=name)
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
