"""Options of requirements files that say what the spec has keys for, joined with the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from imagelock.model.archives import is_local
from imagelock.model.errors import Problem
from imagelock.model.pip_spec import PipSpec, Prerelease
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_direct import direct_name
from imagelock.spec.rules_pip import PIP_NAME
from imagelock.spec.rules_place import FIND_LINKS, INDEX

_ALL: Final = ":all:"


def _names(text: str, *, all_is_fine: bool) -> str:
    """Names between commas, normalised and sorted."""
    words = {word.strip() for word in text.split(",")}
    if _ALL in words and all_is_fine:
        return _ALL
    if special := sorted(words & {_ALL, ":none:"}):
        hint = "name the packages, as in --no-binary lxml: what is built is never left to chance"
        raise RuleBroken(f"expected the names of packages, got {quoted(special[0])}", hint=hint)
    return ",".join(sorted({str(PIP_NAME.apply(word)) for word in words}))


_RULES: Final[Mapping[str, Rule | None]] = {
    "--extra-index-url": INDEX,
    "--find-links": FIND_LINKS,
    "--index-url": INDEX,
    "--no-binary": Rule(expected="names", normalise=lambda text: _names(text, all_is_fine=False)),
    "--no-index": None,
    "--only-binary": Rule(expected="names", normalise=lambda text: _names(text, all_is_fine=True)),
    "--pre": None,
    "--prefer-binary": None,
}

REFUSED: Final = {
    "--config-settings": "write it behind the requirement that it is for",
    "--global-option": "say it with --config-settings behind the requirement, or in a setup.cfg",
    "--hash": "write it behind the requirement that it is for",
    "--trusted-host": "install the server's certificate on this machine: a file gives no trust",
    "--use-feature": "leave it out: it is about pip itself",
}
"""Options that are not read, and what to do instead."""

IS_SO_ANYWAY: Final = frozenset({"--require-hashes"})
"""Options that ask for what is always done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option that was read, its value as the spec would have it, and its place.

    ``about`` is the requirement that it stands behind; empty for one of a whole file. All
    ``--config-settings`` of a line are one option, a setting a line.
    """

    name: str
    value: str
    about: str = ""
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
    listed = tuple(options)
    pip, problems = _with_building(pip, listed)
    said = "index" in given
    alone = None
    for option in listed:
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
        elif option.name == "--extra-index-url":
            extra = dict.fromkeys((*pip.extra_indexes, option.value))
            pip = replace(pip, extra_indexes=tuple(extra))
        elif option.name != "--index-url":
            continue
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


def _with_building(pip: PipSpec, options: Iterable[Option]) -> tuple[PipSpec, list[Problem]]:
    """The options that say what is built of sources, and how."""
    problems: list[Problem] = []
    wheels: list[tuple[str, Option]] = []
    for option in options:
        match option.name:
            case "--no-binary":
                names = {*pip.no_binary, *option.value.split(",")}
                pip = replace(pip, no_binary=tuple(sorted(names)))
            case "--only-binary" if option.value != _ALL:
                wheels += [(name, option) for name in option.value.split(",")]
            case "--prefer-binary":
                pip = replace(pip, prefer_binary=True)
    for name, option in wheels:
        if name in pip.may_build:
            found = f"expected no '--only-binary {name}' beside allow-sdist or no-binary for it"
            problems.append(option.problem(found, "leave one of them out"))
    pip, more = _with_settings(pip, options)
    return pip, problems + more


def _with_settings(pip: PipSpec, options: Iterable[Option]) -> tuple[PipSpec, list[Problem]]:
    """What build backends are told; a project by path alone goes by that path for now."""
    problems: list[Problem] = []
    found = dict(pip.config_settings)
    for option in options:
        if option.name != "--config-settings":
            continue
        about = option.about
        name = about if about.startswith((".", "file:")) else direct_name(about)
        settings = tuple(option.value.split("\n"))
        if found.setdefault(name, settings) != settings:
            message = f"expected one way to build '{name}', got other settings of it elsewhere"
            problems.append(option.problem(message, "keep one of them"))
    return replace(pip, config_settings=tuple(sorted(found.items()))), problems


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
