"""Why there is no solution: the solver's tree made shorter, with the versions there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import groupby
from typing import Final

from imagelock.model.errors import NoSolution
from imagelock.resolve.conda.ports import CondaProblem, CondaSolver

_LONGEST: Final = 24
_SHOWN: Final = 6
_PREAMBLE: Final = re.compile(r"Cannot solve the request because of:\s*")
_ABSENT: Final = re.compile(
    r"No candidates were found for (?P<one>[a-z0-9_][a-z0-9_.-]*)"
    r"|^[ │├└─]*(?P<two>[a-z0-9_][a-z0-9_.-]*)[^\n]*, for which no candidates were found",
    re.MULTILINE | re.IGNORECASE,
)
_MANY_VERSIONS: Final = re.compile(r"(?:[^\s|]+ \| ){6,}[^\s|]+")
_INTRODUCTION: Final = "The following packages are incompatible"
_LEAF: Final = re.compile(
    r"(?P<indent>[ │]*[├└]─ )(?P<name>[^\s,]+) (?P<version>[^\s,]+)"
    r"(?P<end>, which conflicts with the versions reported above\.)"
)
_VIRTUAL_HINTS: Final = {
    "__cuda": "say which CUDA the image is for: [gpu] cuda",
    "__glibc": "choose a base with a newer C library, or older packages",
}


def no_solution(tree: str, problem: CondaProblem, solver: CondaSolver) -> NoSolution:
    """The error for a problem that the solver found none for."""
    text = _PREAMBLE.sub("", tree).strip()
    absent = list(dict.fromkeys((m["one"] or m["two"]).lower() for m in _ABSENT.finditer(text)))
    found = [line for name in absent for line in _there_is(name, problem, solver)]
    lines = _shortened(text)
    return NoSolution(
        "\n  ".join(["the conda packages cannot be had together:", *lines, *found]),
        where=f"conda.packages, platform {problem.platform}",
        hint=_hint(absent, problem),
    )


def _shortened(text: str) -> list[str]:
    """The tree, with versions that fail alike on one line, and no line twice in a row."""
    lines: list[str] = []
    for line in text.splitlines():
        short = _MANY_VERSIONS.sub(_few, line.rstrip())
        if short and short != _INTRODUCTION and lines[-1:] != [short]:
            lines.append(short)
    lines = [line for alike in _alike(lines) for line in _joined(alike)]
    if len(lines) > _LONGEST:
        lines = [*lines[:_LONGEST], f"… {len(lines) - _LONGEST} lines more"]
    return lines


def _alike(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines that say the same of one package at one depth."""
    for _, run in groupby(lines, key=lambda line: _sibling(line) or line):
        yield list(run)


def _sibling(line: str) -> tuple[int, str, str] | None:
    match = _LEAF.fullmatch(line)
    return (len(match["indent"]), match["name"], match["end"]) if match else None


def _joined(run: list[str]) -> list[str]:
    last = _LEAF.fullmatch(run[-1])
    first = _LEAF.fullmatch(run[0])
    if len(run) == 1 or first is None or last is None:
        return run
    versions = f"{first['version']} … {last['version']} ({len(run)} versions)"
    return [f"{last['indent']}{last['name']} {versions}{last['end']}"]


def _few(match: re.Match[str]) -> str:
    versions = match[0].split(" | ")
    return f"{versions[0]} | … ({len(versions) - 2} more) … | {versions[-1]}"


def _there_is(name: str, problem: CondaProblem, solver: CondaSolver) -> Iterator[str]:
    """A line that says which versions of a package there are, if that is what is wrong."""
    if name.startswith("__"):
        known = next((item for item in problem.virtual_packages if item.name == name), None)
        yield f"{name}: the image has {known.version if known else 'none'}"
        return
    records = solver.versions(name, problem)
    if records:
        versions = list(dict.fromkeys(record.version for record in reversed(records)))
        more = f", … ({len(versions) - _SHOWN} more)" if len(versions) > _SHOWN else ""
        yield f"{name}: there are {', '.join(versions[:_SHOWN])}{more}"
        return
    near = get_close_matches(name, sorted(solver.names(problem)), n=3, cutoff=0.75)
    step = f"; is it {' or '.join(near)}?" if near else ""
    yield f"{name}: no channel has it for {problem.platform.conda_subdir} or noarch{step}"


def _hint(absent: list[str], problem: CondaProblem) -> str:
    for name in absent:
        if name in _VIRTUAL_HINTS:
            return _VIRTUAL_HINTS[name]
    if problem.cutoff is not None:
        return f"only what was built before {problem.cutoff:%Y-%m-%d %H:%M} UTC is looked at"
    channels = ", ".join(problem.channels)
    return f"ask for other versions, or add a channel; looked in {channels}"
