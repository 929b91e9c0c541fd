"""A base that has pip packages in an environment already: what is added joins them.

What the base has stays as it is: its layers are below, and no wheel replaces a file of them. A
requirement that it meets adds nothing; one that needs another version has no solution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagelock.model.base import BaseContents
from imagelock.model.errors import UsageError
from imagelock.model.names import PipName, pip_name
from imagelock.plan.pip import VENV

if TYPE_CHECKING:
    from imagelock.resolve.pip.installed import Installed


def venv_python(contents: BaseContents) -> str | None:
    """The interpreter of the base's environment where pip packages go, None without one."""
    found = (python.executable for python in contents.pythons if python.venv)
    return next((path for path in found if is_in_venv(path)), None)


def is_in_venv(executable: str) -> bool:
    """Whether an interpreter is that of the environment where pip packages go."""
    return executable.startswith(f"{VENV}/")


def check_venv(contents: BaseContents, reference: str, *, conda: bool) -> None:
    """Raise UsageError where packages cannot join those in the base's environment."""
    python = venv_python(contents)
    if python is None:
        what = "whose Python is not in the base"
    elif conda:
        what = "and the packages of this spec are for conda's Python"
    else:
        return
    raise UsageError(
        f"the base has a virtual environment at {VENV} already, {what}",
        where=f"base: {reference}",
        hint="put the pip packages of both images into one spec",
    )


def installed_in_venv(contents: BaseContents, reference: str) -> dict[PipName, Installed]:
    """The distributions in the base's environment; one that cannot be read is left out."""
    from imagelock.resolve.pip.installed import Installed
    from imagelock.resolve.pip.metadata import parse_metadata

    found: dict[PipName, Installed] = {}
    for data in contents.venv_packages:
        try:
            metadata = parse_metadata(data)
            name = pip_name(metadata.name)
        except ValueError:
            continue
        found.setdefault(
            name,
            Installed(
                metadata=metadata,
                package=f"{metadata.version} in {VENV} of the base {reference}",
                hint="ask for the version that the base has, or move {name} in the base's own spec",
            ),
        )
    return found
