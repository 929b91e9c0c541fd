"""Words of Flyte 2's layers: arguments of installers, requirements, and the names in messages."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from imagelock.model.errors import UsageError

NO_EFFECT: Final = frozenset({"--frozen", "--inexact", "--locked", "--no-dev", "--no-root"})
"""What a lock does anyway, or leaves out."""


def refused(what: str, hint: str) -> UsageError:
    """The error for what no lock can hold."""
    return UsageError(f"{what} is not supported by the builder imagelock", where="Image", hint=hint)


def layer_name(layer: Any) -> str:  # noqa: ANN401 (a Layer of Flyte)
    """How messages call a layer: its class, and the first that it holds."""
    for name in ("packages", "commands"):
        held = getattr(layer, name, None)
        if held:
            return f"{type(layer).__name__} ('{str(held[0])[:40]}')"
    return type(layer).__name__


_UV: Final = {"--extra": "extras", "--group": "groups"}
_POETRY: Final = {"--extras": "extras", "-E": "extras", "--with": "groups", "--without": ""}
"""What is left out is left out anyway: no group is taken that is not asked for."""


def uv_words(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Extras and groups of uv's arguments, and the other words."""
    return _chosen(text, _UV)


def poetry_words(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """The same of Poetry's."""
    return _chosen(text.replace("--only main", "").replace("--only=main", ""), _POETRY)


def _chosen(text: str, keys: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    chosen: dict[str, list[str]] = {}
    rest: list[str] = []
    words = iter(shlex.split(text))
    for word in words:
        name, equals, value = word.partition("=")
        if name not in keys:
            rest.append(word)
            continue
        value = value if equals else next(words, "")
        if keys[name]:
            chosen.setdefault(keys[name], []).extend(value.replace(",", " ").split())
    return chosen, rest


def refuse_words(words: Iterable[str], layer: Any) -> None:  # noqa: ANN401 (a Layer of Flyte)
    """Refuse what an installer is told beside what a lock says."""
    other = [word for word in words if word not in NO_EFFECT]
    if other:
        raise refused(f"'{other[0]}' of the layer {type(layer).__name__}", "leave it away")


def required_by_project(pyproject: Path, extras: list[str]) -> list[str]:
    """What a project without a lock requires (PEP 621)."""
    where = f"the dependencies of {pyproject}"
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
        optional = project.get("optional-dependencies", {})
        lines = [*project.get("dependencies", ()), *(x for one in extras for x in optional[one])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise refused(f"{where}, which cannot be read", "write them under [project]") from None
    if "dependencies" in project.get("dynamic", ()):
        raise refused(f"{where}, which are dynamic", "lock it with `uv lock`")
    return lines


def with_pre(line: str) -> str:
    """A requirement that names a pre-release, and so allows them; what is no requirement stays."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import SpecifierSet

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return line
    if requirement.url is None and not any(one.operator == "==" for one in requirement.specifier):
        requirement.specifier &= SpecifierSet(">=0.dev0")
    return str(requirement)
