"""Why there is no solution, in few lines, with the versions there are."""

from __future__ import annotations

from imagelock.model.debian import Alternatives, BinaryPackage, Relation
from imagelock.model.errors import NoSolution
from imagelock.resolve.apt.index import Index, Key
from imagelock.resolve.apt.solver import Failure, Solver

_DEPTH = 12


def no_solution(solver: Solver, key: Key, where: str) -> NoSolution:
    """The error for a package that could not be selected."""
    if solver.candidate(key) is None:
        return missing(solver.index, key, where)
    lines = [f"'{key[0]}' cannot be installed:", *_chain(solver, key)]
    return NoSolution(
        "\n  ".join(lines),
        where=where,
        hint="ask for other versions, or add the source that has what is missing",
    )


def missing(index: Index, key: Key, where: str) -> NoSolution:
    """The error for a name that no source offers."""
    providers = sorted(
        {name for name, architecture in index.providers(key[0]) if architecture == key[1]}
    )
    if providers:
        shown = ", ".join(providers[:6]) + (", …" if len(providers) > 6 else "")
        return NoSolution(
            f"'{key[0]}' is a virtual package", where=where, hint=f"ask for one of: {shown}"
        )
    suites = ", ".join(dict.fromkeys(file.suite for file in index.files))
    alike = _alike(index, key[0])
    step = f"did you mean {' or '.join(alike)}" if alike else "check the name"
    return NoSolution(
        f"no source has a package '{key[0]}' for {key[1]}",
        where=where,
        hint=f"looked in {suites}; {step}, or add a source with [[apt.source]]",
    )


def _alike(index: Index, name: str) -> list[str]:
    """Up to three names that are easily mistaken for this one."""
    from difflib import get_close_matches

    near = sorted(
        {
            known.decode()
            for file in index.files
            for known in file.offsets
            if known[:2] == name[:2].encode() and abs(len(known) - len(name)) <= 2
        }
    )
    return get_close_matches(name, near, n=3, cutoff=0.75)


def versions_text(index: Index, key: Key) -> str:
    """The versions of a package with their suites, newest first."""
    listed = [
        f"{package.version} ({index.file_of(package).suite})"
        for package, _priority in index.versions(key)
    ]
    return ", ".join(listed[:4]) + (", …" if len(listed) > 4 else "")


def _chain(solver: Solver, key: Key) -> list[str]:
    """From a package down to what stops it, one line a step."""
    lines: list[str] = []
    seen: set[Key] = set()
    while key not in seen and len(lines) < _DEPTH:
        seen.add(key)
        failure = solver.failures.get(key)
        if failure is None:
            break
        if failure.clash is not None:
            lines.append(_clash(solver, failure, failure.clash))
            break
        lines.append(f"{failure.package} needs {_group(failure.group)}")
        following = _next(solver, failure.group, key[1], seen)
        if following is None:
            lines.extend(_available(solver, relation, key[1]) for relation in failure.group)
            break
        key = following
    return lines


def _next(solver: Solver, group: Alternatives, architecture: str, seen: set[Key]) -> Key | None:
    for relation in group:
        key = (relation.name, architecture)
        candidate = solver.candidate(key)
        if (
            candidate is not None
            and relation.allows(candidate.version)
            and key in solver.failures
            and key not in seen
        ):
            return key
    return None


def _clash(solver: Solver, failure: Failure, clash: BinaryPackage) -> str:
    requested = solver.state.key(clash) in solver.protected
    kept = f", and {clash.name} is asked for" if requested else ""
    if solver.state.key(clash) in solver.held:
        kept = f", and the base has {clash.name} on hold"
    return f"{failure.package} and {clash} exclude each other{kept}"


def _group(group: Alternatives) -> str:
    return " or ".join(map(str, group))


def _available(solver: Solver, relation: Relation, architecture: str) -> str:
    key = (relation.name, architecture)
    base = solver.base.get(key)
    if key in solver.refused:
        return f"{relation.name} is refused by the spec"
    versions = versions_text(solver.index, key)
    if versions:
        held = f"; the base has {base.version}" if base else ""
        held += " on hold" if key in solver.held else ""
        return f"{relation.name}: there is {versions}{held}"
    providers = [name for name, _architecture in solver.index.providers(relation.name)]
    if providers:
        return f"{relation.name}: provided by {', '.join(sorted(set(providers))[:6])}"
    if base:
        return f"{relation.name}: the base has {base.version}, and no source another"
    return f"{relation.name}: no source has it"
