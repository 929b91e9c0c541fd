"""Rules for Python: versions, requirements (PEP 508) and the age of what is taken."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from imagelock.model.names import pip_name
from imagelock.spec.findings import quoted
from imagelock.spec.rule import Rule, RuleBroken
from imagelock.spec.rules_direct import (
    NO_OTHER_VERSION_CONTROL,
    named_requirement,
    normalise_direct,
)

_REQUIREMENT_HINTS: Final = (
    (r"\s*-", "options belong in a requirements file, listed under pip.requirements"),
    (r"\s*(hg|svn|bzr)\+", NO_OTHER_VERSION_CONTROL),
    (r"\s*[a-z]+:/", "name the project before the URL: 'NAME @ URL'"),
    (r"\s*[^\s@]*/|.*\.(whl|tar\.gz|zip)\s*$", "a path begins with './' or '../'"),
    (r"[\w.\[\],-]+\s*=\s*[^=]", "a version is pinned with '==', as in 'numpy==2.1'"),
    (r"[\w.\[\],-]+\s+[\w.\[\],-]+\s*$", "write one requirement an item"),
)  # fmt: skip


def normalise_requirement(text: str) -> str:
    """A PEP 508 requirement in one spelling: name as in PEP 503, extras and specifiers sorted.

    A path or URL alone gets its name, but for a folder: see :func:`named_requirement`. Raise
    RuleBroken with the reason that ``packaging`` gives.
    """
    named = named_requirement(text)
    if named is not None and not named.startswith((".", "file:")):
        return normalise_requirement(named)
    if named is not None:
        return _unnamed(named)
    return _named(text)


def _unnamed(text: str) -> str:
    """A folder without a name, its extras and marker in one spelling."""
    match = re.fullmatch(r"([^\s\[]+)(\[[^\]]*\])?(?: ; (.+))?", text)
    assert match is not None, "made by named_requirement"
    place, extras, marker = match.groups(default="")
    made = _named(f"project{extras}; {marker}" if marker else f"project{extras}")
    return place + made.removeprefix("project").replace("; ", " ; ", 1)


def _named(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except RecursionError:
        raise RuleBroken(f"{_not_a_requirement(text)}: it is nested too deeply") from None
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        msg = f"{_not_a_requirement(text)}: {reason[:1].lower()}{reason[1:]}"
        raise RuleBroken(msg, hint=_requirement_hint(text)) from None
    if re.search(r"[0-9]{200}", str(requirement.specifier)):
        raise RuleBroken(f"{_not_a_requirement(text)}: a version has a number that is too long")
    extras = ",".join(sorted({pip_name(extra) for extra in requirement.extras}))
    marker = f"; {requirement.marker}" if requirement.marker else ""
    bracketed = f"[{extras}]" if extras else ""
    named = f"{pip_name(requirement.name)}{bracketed}"
    if requirement.url is not None:
        return f"{named} @ {normalise_direct(requirement.url)}{' ' if marker else ''}{marker}"
    return f"{named}{requirement.specifier}{marker}"


def normalise_constraint(text: str) -> str:
    """A requirement that only bounds versions. Raise RuleBroken for extras and URLs."""
    constraint = normalise_requirement(text)
    if re.match(r"[^\s;@]+\[", constraint):
        msg = f"expected a constraint without extras, got {quoted(text)}"
        raise RuleBroken(msg, hint="ask for the extras in pip.packages")
    if " @ " in constraint.partition(";")[0] or constraint.startswith((".", "file:")):
        msg = f"expected a constraint by version, got {quoted(text)}"
        raise RuleBroken(msg, hint="name the URL in pip.packages or pip.overrides")
    return constraint


def _not_a_requirement(text: str) -> str:
    return f"expected a requirement like 'numpy>=2', got {quoted(text)}"


def _requirement_hint(text: str) -> str:
    return next((hint for regex, hint in _REQUIREMENT_HINTS if re.match(regex, text)), "")


REQUIREMENT: Final = Rule(expected="a requirement like 'numpy>=2'", normalise=normalise_requirement)
CONSTRAINT: Final = Rule(expected="a constraint like 'urllib3<2'", normalise=normalise_constraint)
PIP_NAME: Final = Rule(
    expected="a package name",
    pattern=r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
    normalise=pip_name,
)


def _setting(text: str) -> str:
    if not text.isprintable():
        raise RuleBroken(f"expected a setting that can be printed, got {quoted(text)}")
    return text


CONFIG_SETTING: Final = Rule(
    expected="a setting of a build backend like 'KEY=VALUE'",
    pattern=r"[^= \u0000-\u001f]+=[^\u0000-\u001f]*",
    normalise=_setting,
    hint="what it knows is in its documentation (PEP 517, config_settings)",
)


def _python(text: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import Version

    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}((a|b|rc)[0-9]{1,4})?", text):
        return str(Version(text))
    try:
        specifiers = SpecifierSet(text)
    except InvalidSpecifier:
        specifiers = SpecifierSet()
    if not str(specifiers):
        msg = (
            f"expected a version like '3.12' or a specifier like '>=3.11,<3.13', got {quoted(text)}"
        )
        raise RuleBroken(msg)
    return str(specifiers)


PYTHON: Final = Rule(
    expected="a version like '3.12', or a specifier like '>=3.11,<3.13'",
    pattern=r"[0-9A-Za-z<>=!~.,*+ -]+",
    normalise=_python,
)

_SPAN: Final = r"[1-9][0-9]{0,4} (hour|day|week)s?"
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIMESTAMP: Final = (
    _DATE + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_HOURS: Final = {"hour": 1, "day": 24, "week": 7 * 24}


def _exclude_newer(text: str) -> str:
    """A date as it is, a timestamp in UTC, a span in days (or hours where no whole days)."""
    if re.fullmatch(_SPAN, text):
        count, unit = text.removesuffix("s").split()
        return _span_text(int(count) * _HOURS[unit])
    try:
        if re.fullmatch(_DATE, text):
            return date.fromisoformat(text).isoformat()
        utc = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RuleBroken(f"expected a date and time that exist, got '{text}'") from None
    canonical = utc.replace(tzinfo=None).isoformat()
    return (canonical.rstrip("0") if "." in canonical else canonical) + "Z"


def _span_text(hours: int) -> str:
    days, rest = divmod(hours, 24)
    count, unit = (hours, "hour") if rest else (days, "day")
    return f"{count} {unit}{'s' if count > 1 else ''}"


EXCLUDE_NEWER: Final = Rule(
    expected="a date, an RFC 3339 timestamp, or a span like '7 days'",
    pattern=rf"{_DATE}|{_TIMESTAMP}|{_SPAN}",
    normalise=_exclude_newer,
    hint="like '2026-11-01', '2026-11-01T12:00:00Z', '7 days' or '2 weeks'",
)
