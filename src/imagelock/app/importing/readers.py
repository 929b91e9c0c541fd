"""The registry of readers, asked in this order; each is imported when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from imagelock.app.importing.model import Reader
from imagelock.model.errors import UsageError

READERS: Final = (
    "imagelock.app.importing.python_module:PythonModule",
    "imagelock.app.importing.requirements_file:RequirementsFile",
    "imagelock.app.importing.conda_locks:PixiLock",
    "imagelock.app.importing.conda_locks:CondaLock",
    "imagelock.app.importing.conda_environment:CondaEnvironment",
    "imagelock.app.importing.image_spec_yaml:ImageSpecYaml",
)
"""``module:class``. A format that another one would take as well comes before it."""


def reader_for(path: Path, text: str) -> Reader:
    """The first reader that takes a file. UsageError when none does."""
    for reader in _readers():
        if reader.takes(path, text):
            return reader
    raise UsageError(
        "this is no file that can be imported",
        where=str(path),
        hint="there are readers for requirements.txt, locks of pip tools, environment.yml, "
        "pixi.lock, conda-lock.yml, "
        "ImageSpec YAML and Python modules that hold ImageSpecs",
    )


def _readers() -> Iterator[Reader]:
    for name in READERS:
        module, _, kind = name.partition(":")
        made: Reader = getattr(import_module(module), kind)()
        yield made
