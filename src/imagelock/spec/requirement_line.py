"""One line of a requirements file that asks for something: a requirement and the options behind it.

Behind a requirement pip takes ``--hash`` and ``--config-settings``; values may be quoted as a shell
reads them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imagelock.model.names import sha256
from imagelock.spec.findings import quoted
from imagelock.spec.requirements_options import REFUSED
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_pip import CONFIG_SETTING, CONSTRAINT, REQUIREMENT

LONG_NAMES: Final = {
    "--config-setting": "--config-settings",
    "-C": "--config-settings",
    "-c": "--constraint",
    "-e": "--editable",
    "-f": "--find-links",
    "-i": "--index-url",
    "-r": "--requirement",
}
"""Options by their other names."""

OPTION: Final = re.compile(r"(?P<name>--[a-z][a-z-]*|-[A-Za-z])(?:[ \t]*=[ \t]*|[ \t]*)")
"""An option's name and what stands before its value."""

_NEXT_OPTION: Final = re.compile(r"(?<![ \t])[ \t]+(?=--?[A-Za-z])")
_WORD: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])*""")
_SPACE: Final = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementLine:
    """A requirement in its one spelling, and what is said of it.

    ``hashes`` are ``sha256:`` and 64 digits; ``settings`` are ``KEY=VALUE``, the first of them at
    the offset ``settings_at``.
    """

    requirement: str
    hashes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    settings_at: int = 0


def read_requirement_line(text: str, start: int, *, as_constraint: bool) -> RequirementLine:
    """What a line says from ``start`` on. Raise RuleBroken with the offset of what is wrong."""
    tail = _NEXT_OPTION.search(text, start)
    rule = CONSTRAINT if as_constraint else REQUIREMENT
    try:
        requirement = str(rule.apply(text[start : tail.start() if tail else None]))
    except RuleBroken as error:
        raise RuleBroken(error.message, hint=error.hint, offset=start) from None
    hashes: list[str] = []
    settings: list[tuple[str, int]] = []
    for name, value, begin, offset in _options(text, tail.end()) if tail else ():
        if name == "--hash":
            hashes.append(_hash(value, text, begin, offset))
        elif name == "--config-settings" and not as_constraint:
            settings.append((_setting(value, offset), offset))
        else:
            raise not_read(name, begin)
    return RequirementLine(
        requirement=requirement,
        hashes=tuple(hashes),
        settings=tuple(setting for setting, _offset in settings),
        settings_at=settings[0][1] if settings else 0,
    )


def _options(text: str, start: int) -> Iterator[tuple[str, str, int, int]]:
    """The options from ``start`` on: name, value, and the offsets of both."""
    while start < len(text):
        option = OPTION.match(text, start)
        if option is None:
            raise not_read(text[start:], start)
        word = _WORD.match(text, option.end())
        assert word is not None
        space = _SPACE.match(text, word.end())
        assert space is not None
        if space.end() == word.end() < len(text):
            raise RuleBroken("expected a closing quote", offset=word.end())
        yield long_name(option), word[0], start, option.end()
        start = space.end()


def _setting(value: str, offset: int) -> str:
    try:
        return str(CONFIG_SETTING.apply("".join(shlex.split(value))))
    except RuleBroken as error:
        raise RuleBroken(error.message, hint=error.hint, offset=offset) from None
    except ValueError as error:
        msg = f"expected a value as a shell reads it: {error}"
        raise RuleBroken(msg[:1].lower() + msg[1:], offset=offset) from None


def _hash(value: str, text: str, begin: int, offset: int) -> str:
    algorithm, _, digits = value.partition(":")
    if algorithm != "sha256":
        msg = f"expected --hash=sha256:…, got {quoted(text[begin:])}"
        raise RuleBroken(msg, offset=begin)
    try:
        return f"sha256:{sha256(digits)}"
    except ValueError as error:
        raise RuleBroken(str(error), offset=offset) from None


def long_name(option: re.Match[str]) -> str:
    """The name of a matched option that stands for all its names."""
    return LONG_NAMES.get(option["name"], option["name"])


def not_read(name: str, offset: int) -> RuleBroken:
    """The error for an option that has no meaning where it stands."""
    if name in REFUSED:
        return RuleBroken(f"the option '{name}' is not read", hint=REFUSED[name], offset=offset)
    msg = f"expected an option of requirements files, got {quoted(name)}"
    return RuleBroken(msg, offset=offset)
