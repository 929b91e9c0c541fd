"""conda's environment.yml (docs.conda.io, "Creating an environment file manually")."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from imagelock.app.importing.model import Document, Imported, ImportRequest
from imagelock.app.importing.yaml_text import pairs, texts, yaml_table
from imagelock.model.errors import UsageError

_DEPENDENCIES: Final = re.compile(r"^dependencies[ \t]*:", re.MULTILINE)
_PYTHON: Final = re.compile(r"python[ \t]*(?P<specifier>[=<>!~].*|)")
_KNOWN: Final = frozenset({"name", "channels", "dependencies", "variables", "prefix", "platforms"})


class CondaEnvironment:
    """Conda packages, channels, pip packages and variables."""

    def takes(self, path: Path, text: str) -> bool:
        """A YAML file with ``dependencies``."""
        return path.suffix in {".yml", ".yaml"} and bool(_DEPENDENCIES.search(text))

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """One spec, called as the environment is."""
        where = str(request.path)
        table = yaml_table(text, where=where)
        left = [f"the key '{key}'" for key in table if key not in _KNOWN]
        if table.get("prefix"):
            left.append("prefix: where the environment is on a machine")
        document: Document = {}
        conda, pip = _dependencies(table.get("dependencies"), where)
        _python(conda, document)
        channels = [
            name for name in texts(table.get("channels"), where=where) if name != "nodefaults"
        ]
        if conda or channels:
            document["conda"] = {"packages": conda} | ({"channels": channels} if channels else {})
        _pip(pip, request, document, left)
        if variables := pairs(table.get("variables"), where=where):
            document["env"] = variables
        name = table.get("name")
        label = name if isinstance(name, str) else request.path.stem
        return (Imported(label=label, document=document, left_behind=tuple(left)),)


def _dependencies(value: object, where: str) -> tuple[list[str], list[str]]:
    """The conda packages, and the lines below ``pip:``."""
    conda: list[str] = []
    pip: list[str] = []
    if not isinstance(value, list):
        raise UsageError("expected a list", where=f"{where}: dependencies")
    for item in value:
        if isinstance(item, str):
            conda.append(" ".join(item.split()))
        elif isinstance(item, dict) and item.keys() == {"pip"}:
            pip += texts(item["pip"], where=f"{where}: pip")
        else:
            raise UsageError(
                "expected packages, or a list below 'pip:'", where=f"{where}: dependencies"
            )
    return conda, pip


def _python(conda: list[str], document: Document) -> None:
    """``python=3.12`` is the spec's python; what is not as simple stays a conda package."""
    for item in conda:
        match = _PYTHON.fullmatch(item)
        if not match:
            continue
        specifier = match["specifier"].strip()
        version = re.fullmatch(r"={1,2}\s*([0-9]+(\.[0-9]+){1,2})(\.\*)?", specifier)
        if version:
            document["python"] = version[1]
            conda.remove(item)
            return


def _pip(lines: list[str], request: ImportRequest, document: Document, left: list[str]) -> None:
    """Requirements as packages, ``-r FILE`` as files; other options are left behind, by name."""
    pip: dict[str, Any] = {}
    for line in lines:
        words = line.split()
        if words and words[0] in {"-r", "--requirement"} and len(words) == 2:
            pip.setdefault("requirements", []).append(request.beside(words[1]))
        elif line.startswith("-"):
            left.append(f"pip's option {re.split(r'[ =]', line)[0]}")
        elif line.strip():
            pip.setdefault("packages", []).append(line)
    if pip:
        document["pip"] = pip
