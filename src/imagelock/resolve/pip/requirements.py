"""Requirements as the resolver uses them: parsed once, matched from memory (PEP 508, PEP 440)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from imagelock.model.names import PipName, pip_name

_SIMPLE: Final = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([A-Za-z0-9._,\s-]*)\])?"
    r"\s*(\([^()]*\)|[<>=!~][^;@()]*)?\s*\Z"
)
_TOO_DEEP: Final = "its marker is nested too deeply"
_TOO_LONG: Final = re.compile(r"[0-9]{200}")
"""Digits of no honest version; Python reads no number of some thousands."""
_OPEN_WILDCARD: Final = re.compile(r"((?:>=|<=|<|>|~=)\s*[0-9.]+)\.\*(?=\s*(?:,|\Z))")


@dataclass(frozen=True, slots=True)
class Parsed:
    """One PEP 508 requirement. ``marker`` is its text, empty when it always applies."""

    name: PipName
    extras: tuple[str, ...]
    specifier: str
    marker: str = ""
    url: str | None = None


@cache
def parse(text: str) -> Parsed:
    """Parse a requirement; ValueError says what is wrong with it.

    ``>=1.0.*``, which old metadata holds, is read as ``>=1.0``, as by other installers.
    """
    body, _, marker = text.partition(";")
    simple = _SIMPLE.match(body)
    if simple:
        name, extras, specifier = simple.groups()
        listed = extras.split(",") if extras and extras.strip() else ()
        bare = (specifier or "").strip("() ")
        return Parsed(
            pip_name(name),
            tuple(sorted({pip_name(extra.strip()) for extra in listed})),
            normal_specifier(bare) if bare else "",
            marker.strip(),
        )
    try:
        full = Pep508(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from error
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return Parsed(
        pip_name(full.name),
        tuple(sorted({pip_name(extra) for extra in full.extras})),
        normal_specifier(str(full.specifier)),
        str(full.marker) if full.marker else "",
        full.url,
    )


@cache
def normal_specifier(text: str) -> str:
    """The clauses of a specifier, sorted, without spaces. ValueError for what is none."""
    if _TOO_LONG.search(text):
        msg = "a version has a number that is too long"
        raise ValueError(msg)
    try:
        return str(SpecifierSet(text))
    except ValueError:
        return str(SpecifierSet(_OPEN_WILDCARD.sub(r"\1", text)))


@cache
def specifier_set(text: str) -> SpecifierSet:
    """The parsed specifier."""
    return SpecifierSet(text)


@cache
def version(text: str) -> Version:
    """The parsed version. ValueError (InvalidVersion) for what is none."""
    return Version(text)


@cache
def allows(specifier: str, text: str) -> bool:
    """Whether a version satisfies a specifier; whether pre-releases count is decided elsewhere."""
    return not specifier or specifier_set(specifier).contains(version(text), prereleases=True)


@cache
def pins_exactly(specifier: str) -> bool:
    """Whether a clause names one version (``==`` without a wildcard, or ``===``)."""
    return any(
        clause.operator == "===" or (clause.operator == "==" and not clause.version.endswith(".*"))
        for clause in specifier_set(specifier)
    )


@cache
def names_prerelease(specifier: str) -> bool:
    """Whether a clause mentions a pre-release."""
    return any(
        _is_prerelease(clause.version.removesuffix(".*")) for clause in specifier_set(specifier)
    )


def _is_prerelease(text: str) -> bool:
    try:
        return version(text).is_prerelease
    except InvalidVersion:
        return False


@dataclass(frozen=True, slots=True)
class Markers:
    """Evaluates markers for one target, each text once."""

    environment: dict[str, str]
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def hold(self, marker: str, extra: str = "") -> bool:
        """Whether a marker holds when ``extra`` is asked for. ValueError for an invalid marker."""
        if not marker:
            return True
        key = (marker, extra if "extra" in marker else "")
        known = self._known.get(key)
        if known is None:
            try:
                known = Marker(marker).evaluate({**self.environment, "extra": extra})
            except RecursionError:
                raise ValueError(_TOO_DEEP) from None
            self._known[key] = known
        return known

    def applying(self, lines: tuple[str, ...], extra: str = "") -> Iterator[Parsed]:
        """The requirements that apply: those of an extra only, or those of no extra."""
        for line in lines:
            _body, _, marker = line.partition(";")
            marker = marker.strip()
            if extra and "extra" not in marker:
                continue
            if "@" in _body or self.hold(marker, extra):
                parsed = parse(line)
                if not self.hold(parsed.marker, extra):
                    continue
                if extra and self.hold(parsed.marker):
                    continue  # it applies without the extra too
                yield parsed
