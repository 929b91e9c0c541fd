"""The image's Python, when conda brings it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from imagelock.model.conda import parse_match_spec
from imagelock.model.errors import NoSolution
from imagelock.model.lock import CONDA_PREFIX, CondaPin, PythonPin, PythonProvider
from imagelock.model.platform import Platform

_CLAUSE: Final = re.compile(r"(===|==|~=|!=|>=|<=|>|<)\s*(.+)")
_IMPLEMENTATION: Final = re.compile(r"(?:^|_)(cp|pp|graalpy)[0-9]")


def python_spec(wanted: str | None) -> str:
    """The match spec of the Python that a spec asks for, by a version or PEP 440's specifiers."""
    if wanted is None:
        return "python"
    if wanted[0].isdigit():
        exact = wanted.count(".") >= 2 or not wanted.replace(".", "").isdigit()
        return str(parse_match_spec(f"python =={wanted}" if exact else f"python {wanted}.*"))
    clauses = []
    for clause in wanted.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        assert match is not None, "the parser has let through specifiers alone"
        operator, version = match.groups()
        if operator in {"==", "==="} and version.endswith(".*"):
            clauses.append(version)
        else:
            clauses.append(f"{operator.replace('===', '==')}{version}")
    return str(parse_match_spec(f"python {','.join(clauses)}"))


def conda_python(pins: Iterable[CondaPin], platform: Platform) -> PythonPin:
    """The interpreter among conda's packages. NoSolution when there is none."""
    found = next((pin for pin in pins if pin.name == "python"), None)
    if found is None:
        raise NoSolution(
            "the conda packages have no python",
            where="python",
            hint="add 'python' to conda.packages",
        )
    kind = _IMPLEMENTATION.search(found.build)
    implementation = {"pp": "pypy", "graalpy": "graalpy"}.get(kind[1] if kind else "", "cpython")
    minor = ".".join(found.version.split(".")[:2])
    return PythonPin(
        version=_pep440(found.version),
        implementation=implementation,
        provider=PythonProvider.CONDA,
        executable=f"{CONDA_PREFIX}/bin/python{minor}",
        platforms=(platform,),
    )


def _pep440(version: str) -> str:
    from packaging.version import Version

    return str(Version(version))
