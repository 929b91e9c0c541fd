"""Options of requirements files that say what the spec has keys for, joined with the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from imagelock.model.archives import is_local
from imagelock.model.errors import Problem
from imagelock.model.spec import PipSpec, Prerelease
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_place import FIND_LINKS, INDEX

_RULES: Final[Mapping[str, Rule | None]] = {
    "--extra-index-url": INDEX,
    "--find-links": FIND_LINKS,
    "--index-url": INDEX,
    "--no-index": None,
    "--pre": None,
}


REFUSED: Final = {
    "--config-settings": "",
    "--global-option": "",
    "--no-binary": "allow-sdist in the spec names what may be built where no wheel fits",
    "--prefer-binary": "leave it out: only what allow-sdist in the spec names is ever built",
    "--trusted-host": "",
    "--use-feature": "",
}
"""Options that are not read, and what to do instead."""

IS_SO_ANYWAY: Final = frozenset({"--only-binary", "--require-hashes"})
"""Options that ask for what is always done: wheels unless a spec allows more, and hashes."""


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
    alone = None
    for option in options:
        if option.name == "--pre":
            if "prerelease" in given and pip.prerelease is not Prerelease.ALLOW:
                hint = "leave one of them out"
                found = f"expected no '--pre' beside prerelease = '{pip.prerelease}' in the spec"
                problems.append(option.problem(found, hint))
            pip = replace(pip, prerelease=Prerelease.ALLOW)
        elif option.name == "--no-index":
            alone = option
        elif option.name == "--find-links":
            links = dict.fromkeys((*pip.find_links, option.value))
            pip = replace(pip, find_links=tuple(links))
        elif option.name != "--index-url":
            extra = dict.fromkeys((*pip.extra_indexes, option.value))
            pip = replace(pip, extra_indexes=tuple(extra))
        elif said and option.value != pip.index:
            hint = "keep one of them, and name the other under extra-indexes"
            found = f"expected one index, got {quoted(option.value)} beside {quoted(pip.index)}"
            problems.append(option.problem(found, hint))
        else:
            pip, said = replace(pip, index=option.value), True
    if alone is not None:
        pip, more = _without_index(pip, alone, said=said)
        problems += more
    return pip, tuple(problems)


def _without_index(
    pip: PipSpec, option: Option, *, said: bool
) -> tuple[PipSpec, tuple[Problem, ...]]:
    """``--no-index``: the first folder or page of find-links is the index, the only one."""
    first = next(iter(pip.find_links), None)
    if said or pip.extra_indexes:
        return pip, (option.problem("expected no '--no-index' beside an index", "leave one out"),)
    if first is None or not (is_local(first) or first.endswith(".html")):
        found = "expected '--find-links' with a folder, or a page that ends in '.html', beside it"
        return pip, (option.problem(found, "say where files are to come from"),)
    return replace(pip, index=first, find_links=pip.find_links[1:]), ()
