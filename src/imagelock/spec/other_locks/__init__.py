"""Locks of other tools, taken over as pinned: what they lock is what is chosen, and nothing else.

The formats are those that each tool documents or writes; pylock.toml is PEP 751.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imagelock.model.errors import Problem, SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.document import parse_document
from imagelock.spec.other_locks.choosing import NOTHING, Choosing

LOCK_FILES: Final = ("Pipfile.lock", "pdm.lock", "poetry.lock", "uv.lock")
"""Beside these, ``pylock.toml`` and ``pylock.NAME.toml``."""

_PYLOCK: Final = re.compile(r"pylock\.([^.]+\.)?toml")


def is_lock_file(path: str) -> bool:
    """Whether a file is a lock of another tool, by its name."""
    name = posixpath.basename(path)
    return name in LOCK_FILES or bool(_PYLOCK.fullmatch(name))


def knows_extras(path: str) -> bool:
    """Whether extras and dependency groups can be chosen of a file."""
    return is_lock_file(path) and posixpath.basename(path) != "Pipfile.lock"


def read_lock_file(
    path: str,
    text: str,
    *,
    source: str,
    read_beside: Callable[[str], str],
    choosing: Choosing = NOTHING,
) -> RequirementsFile:
    """A lock as the resolver's input. ``source`` is the path that messages name.

    ``choosing`` is what is wanted of a lock besides. ``read_beside`` gives the text of a file
    in the lock's folder, or raises RuleBroken. Raise SpecError with every problem, each with its
    place.
    """
    from imagelock.spec.other_locks.by_groups import read_pdm, read_poetry
    from imagelock.spec.other_locks.pins import requirements_file
    from imagelock.spec.other_locks.pipfile import read_pipfile
    from imagelock.spec.other_locks.pylock import read_pylock
    from imagelock.spec.other_locks.sheet import Node, Sheet, WrongLockError
    from imagelock.spec.other_locks.uv import read_uv

    def open_beside(name: str) -> Sheet:
        shown = posixpath.join(posixpath.dirname(source), name)
        found = read_beside(name)
        return Sheet(shown, found, Node(parse_document(found, source=shown)))

    folder = posixpath.dirname(path)
    if posixpath.basename(path) == "Pipfile.lock":
        sheet = Sheet(source, "", Node(_json(text, source)))
    else:
        sheet = Sheet(source, text, Node(parse_document(text, source=source)))
    try:
        match posixpath.basename(path):
            case "uv.lock":
                taken = read_uv(sheet, choosing, folder=folder)
            case "poetry.lock":
                taken = read_poetry(sheet, open_beside, choosing, folder=folder)
            case "pdm.lock":
                taken = read_pdm(sheet, open_beside, choosing, folder=folder)
            case "Pipfile.lock":
                taken = read_pipfile(sheet, folder=folder)
            case _:
                taken = read_pylock(sheet, choosing, folder=folder)
    except WrongLockError as error:
        sheet.findings.append(error.finding)
        raise SpecError(sheet.problems()) from None
    made = requirements_file(path, taken, sheet)
    return replace(made, extras=choosing.extras, groups=choosing.groups)


def _json(text: str, source: str) -> dict[str, object]:
    """The object of a JSON file. SpecError with the place where it is none."""
    import json

    line, column, message = 1, 1, "expected a JSON object"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
        message = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    except RecursionError:
        message = "the values are nested too deeply"
    else:
        if isinstance(value, dict):
            return value
    problem = Problem(source=source, line=line, column=column, path="", message=message)
    raise SpecError((problem,))
