"""Where an ImageSpec is made: the file of its module, which paths and the lock lie beside."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.model.errors import UsageError

_BETWEEN: Final = frozenset({"copy", "copyreg", "dataclasses", "functools", "pickle"})
"""Modules of the standard library that call a constructor for somebody else."""


@dataclass(frozen=True, slots=True)
class Place:
    """``folder`` is absolute; ``stem`` is the module's name, empty in a notebook or a prompt."""

    folder: Path
    stem: str

    def lock_file(self, name: str) -> Path:
        """The lock beside the module: ``MODULE.NAME.lock``."""
        return self.folder / f"{'.'.join(part for part in (self.stem, name) if part)}.lock"


def calling_module() -> Place:
    """The place of the nearest caller outside of imagelock, or else the working folder."""
    frame = sys._getframe(1)  # noqa: SLF001 (there is no other way to know one's caller)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".", maxsplit=1)[0] not in {"imagelock", *_BETWEEN}:
            return _place(frame.f_globals.get("__file__"))
        if frame.f_back is None:
            break
        frame = frame.f_back
    return _place(None)


def _place(file: object) -> Place:
    if not isinstance(file, str) or not file.endswith(".py"):
        return Place(Path.cwd(), "")
    path = Path(os.path.abspath(file))  # noqa: PTH100 (links are kept: beside the file as named)
    return Place(path.parent, path.parent.name if path.stem == "__init__" else path.stem)


def folder_above(folder: Path, paths: Iterable[Path]) -> Path:
    """The deepest folder that holds ``folder`` and all paths: what a build may copy from.

    UsageError where that is the root of the file system.
    """
    common = Path(os.path.commonpath([folder, *paths]))
    if common == Path(common.anchor) and folder != common:
        raise UsageError(
            f"expected source_root in a folder that holds '{folder}' too",
            where="source_root",
            hint="a build reads one folder: the module's, or one above it",
        )
    return common


def relative(path: Path, folder: Path) -> str:
    """A path as a spec in ``folder`` names it, with '/'."""
    return os.path.relpath(path, folder).replace(os.sep, "/")
