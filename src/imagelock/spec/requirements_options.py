"""Options of requirements files that say what the spec has keys for, joined with the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from imagelock.model.errors import Problem
from imagelock.model.spec import PipSpec, Prerelease
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_place import FLAT_PAGE, INDEX

_RULES: Final[Mapping[str, Rule | None]] = {
    "--extra-index-url": INDEX,
    "--find-links": FLAT_PAGE,
    "--index-url": INDEX,
    "--pre": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option that was read, its value as the spec would have it, and its place."""

    name: str
    value: str
    source: str
    line: int
    column: int

    def problem(self, message: str, hint: str) -> Problem:
        """What is wrong with it."""
        return Problem(
            source=self.source, line=self.line, column=self.column, path="",
            message=message, hint=hint,
        )  # fmt: skip


def has_place_in_spec(name: str) -> bool:
    """Whether an option is one of those."""
    return name in _RULES


def option_value(name: str, text: str) -> str:
    """The value of such an option. Raise RuleBroken."""
    rule = _RULES[name]
    if rule is not None:
        return str(rule.apply(text))
    if text:
        raise RuleBroken(f"expected nothing behind '{name}', got {quoted(text)}")
    return ""


def with_options(
    pip: PipSpec, options: Iterable[Option], given: Mapping[str, Any]
) -> tuple[PipSpec, tuple[Problem, ...]]:
    """The table with what the files add to it; and where they disagree, among them or with it.

    ``given`` is the table as the spec has it: what it says itself counts, a default does not.
    """
    problems: list[Problem] = []
    said = "index" in given
    for option in options:
        if option.name == "--pre":
            if "prerelease" in given and pip.prerelease is not Prerelease.ALLOW:
                hint = "leave one of them out"
                found = f"expected no '--pre' beside prerelease = '{pip.prerelease}' in the spec"
                problems.append(option.problem(found, hint))
            pip = replace(pip, prerelease=Prerelease.ALLOW)
        elif option.name != "--index-url":
            extra = dict.fromkeys((*pip.extra_indexes, option.value))
            pip = replace(pip, extra_indexes=tuple(extra))
        elif said and option.value != pip.index:
            hint = "keep one of them, and name the other under extra-indexes"
            found = f"expected one index, got {quoted(option.value)} beside {quoted(pip.index)}"
            problems.append(option.problem(found, hint))
        else:
            pip, said = replace(pip, index=option.value), True
    return pip, tuple(problems)
