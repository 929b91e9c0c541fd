"""The two questions: what a bootstrapped base holds, and what requests add to a base."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imagelock.model.debian import BinaryPackage, Installed
from imagelock.model.errors import NoSolution
from imagelock.model.lock import BASE_ROOT, Requirer
from imagelock.model.spec import Variant
from imagelock.resolve.apt.check import unmet
from imagelock.resolve.apt.explain import missing, no_solution, versions_text
from imagelock.resolve.apt.index import Index, Key
from imagelock.resolve.apt.request import Request, request_key
from imagelock.resolve.apt.solver import Solver
from imagelock.resolve.apt.suites import followers, in_suite
from imagelock.resolve.apt.why import removed_by, required_by

_ESSENTIAL = "Essential: yes"
_REQUIRED = "Priority: required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A checked set. ``added`` are new or other versions than installed, sorted by key.

    ``packages`` is everything there is in the end; ``removed`` what the base loses.
    """

    packages: tuple[BinaryPackage, ...]
    added: tuple[BinaryPackage, ...]
    removed: tuple[BinaryPackage, ...]
    required_by: Mapping[Key, tuple[Requirer, ...]]
    removed_by: Mapping[Key, tuple[Requirer, ...]]
    manual: frozenset[Key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A package that is asked for by something that is no package."""

    request: Request
    requirer: Requirer


def resolve_bootstrap(
    index: Index, *, variant: Variant, choices: Mapping[Key, BinaryPackage] | None = None
) -> Resolution:
    """The packages of a new root file system.

    ``essential`` is what is Essential with its dependencies, ``minbase`` also what has the
    Priority required, and apt: the sets of mmdebstrap(1).
    """
    return _preferring(choices, lambda kept: _bootstrap_once(index, variant, kept))


def _bootstrap_once(
    index: Index, variant: Variant, choices: Mapping[Key, BinaryPackage]
) -> Resolution:
    solver = Solver(index, Installed(), choices=choices)
    roots = {key: _ESSENTIAL for key in index.marked(_ESSENTIAL) if _is_essential(solver, key)}
    stages = [tuple(roots)]
    if variant is Variant.MINBASE:
        required = [key for key in index.marked(_REQUIRED) if _is_required(solver, key)]
        apt = ("apt", index.architecture)
        stages.append((*required, apt))
        roots |= {key: _REQUIRED for key in required if key not in roots}
        roots.setdefault(apt, str(variant))
    for stage in stages:
        failed = solver.request(stage)
        if failed is not None:
            error = no_solution(solver, failed, "the bootstrapped base")
            raise _Blocked(error, _implicated(solver))
    edges = {
        key: (Requirer(name=BASE_ROOT, specifier=specifier),) for key, specifier in roots.items()
    }
    return _resolution(solver, edges, manual=frozenset())


def resolve_packages(
    roots: tuple[Root, ...],
    *,
    index: Index,
    installed: Installed,
    recommends: bool,
    choices: Mapping[Key, BinaryPackage] | None = None,
) -> Resolution:
    """What has to change in a base so that it has the roots, in their order.

    ``choices`` are versions preferred to the candidates (those of an earlier lock); where they
    stand in the way of a solution they are given up, first those that do, then all.
    """
    check_installed(installed, index.architecture)
    return _preferring(
        choices,
        lambda kept: _resolve_once(roots, index, installed, kept, recommends=recommends),
    )


def _preferring(
    choices: Mapping[Key, BinaryPackage] | None,
    attempt: Callable[[Mapping[Key, BinaryPackage]], Resolution],
) -> Resolution:
    """Try with all choices, then without those in the way, then without any."""
    kept = dict(choices or {})
    while True:
        try:
            return attempt(kept)
        except _Blocked as blocked:
            if not kept:
                raise blocked.error from None
            dropped = blocked.names & {name for name, _architecture in kept}
            kept = {key: kept[key] for key in kept if dropped and key[0] not in dropped}


def check_installed(installed: Installed, architecture: str) -> None:
    """Raise NoSolution for a base whose own packages do not fit together."""
    broken = unmet(installed.packages, architecture)
    if broken:
        raise NoSolution(
            "\n  ".join(["the base's packages do not fit together:", *broken[:5]]),
            where="the base's dpkg status",
            hint="repair the base image: apt would refuse it too",
        )


class _Blocked(Exception):
    """No solution with the versions that were preferred."""

    def __init__(self, error: NoSolution, names: frozenset[str]) -> None:
        super().__init__(str(error))
        self.error = error
        self.names = names


def _resolve_once(
    roots: tuple[Root, ...],
    index: Index,
    installed: Installed,
    choices: Mapping[Key, BinaryPackage],
    *,
    recommends: bool,
) -> Resolution:
    base = {index.key(package): package for package in installed.packages}
    keys = {root: _meant(root.request, index, base) for root in roots}
    wanted = [root for root in roots if not root.request.remove]
    refused = tuple(keys[root] for root in roots if root.request.remove)
    chosen = dict(choices)
    held = {index.key(package): package for package in installed.held}
    for root in wanted:
        if root.request.version or root.request.suite:
            package = _chosen(root.request, keys[root], index, base, choices)
            if keys[root] in held and package.version != held[keys[root]].version:
                raise NoSolution(
                    f"'{root.request.name}' is on hold at {held[keys[root]].version} in the base",
                    where=f"apt.packages '{root.request.text}'",
                    hint="release it in the base image with `apt-mark unhold`",
                )
            if root.request.suite:
                chosen |= followers(index, base, package, root.request.suite)
            chosen[keys[root]] = package
    solver = Solver(
        index, installed, recommends=recommends, choices=chosen, refused=frozenset(refused)
    )
    failed = solver.remove(refused)
    if failed is not None:
        raise NoSolution(
            f"'{failed[0]}' cannot be removed: it is essential or on hold, or needed by what is",
            where=f"apt.packages '{failed[0]}-'",
            hint="leave it in, or choose a base without it",
        )
    order = tuple(dict.fromkeys(keys[root] for root in wanted))
    failed = solver.request(order)
    if failed is not None:
        error = no_solution(solver, failed, f"apt.packages '{failed[0]}'")
        raise _Blocked(error, _implicated(solver))
    edges: dict[Key, tuple[Requirer, ...]] = {}
    for root in wanted:
        edge = root.requirer
        if keys[root][0] != root.request.name:
            edge = Requirer(name=edge.name, specifier=root.request.name)
        edges[keys[root]] = (*edges.get(keys[root], ()), edge)
    return _resolution(solver, edges, manual=frozenset(order), recommends=recommends)


def _meant(request: Request, index: Index, base: Mapping[Key, BinaryPackage]) -> Key:
    """The package of a request: of that name, or the only one that provides the name."""
    key = request_key(request, index)
    if key in base or index.versions(key):
        return key
    providers = [
        other
        for other in index.providers(request.name)
        if other[1] == key[1] and (index.candidate(other, base.get(other)) is not None)
    ]
    return providers[0] if len(providers) == 1 else key


def _implicated(solver: Solver) -> frozenset[str]:
    names: set[str] = set()
    for failure in solver.failures.values():
        names.update(relation.name for relation in failure.group)
        names.add(failure.package.name)
        if failure.clash is not None:
            names.add(failure.clash.name)
    return frozenset(names)


def _chosen(
    request: Request,
    key: Key,
    index: Index,
    base: Mapping[Key, BinaryPackage],
    choices: Mapping[Key, BinaryPackage],
) -> BinaryPackage:
    """The version that ``=VERSION`` or ``/SUITE`` asks for: the preferred one, else the newest."""
    where = f"apt.packages '{request.text}'"
    offered = index.versions(key)
    if not offered and key not in base:
        raise missing(index, key, where)
    preferred = choices.get(key)
    listed = (
        in_suite(index, key, request.suite)
        if request.suite
        else [package for package, _priority in offered]
    )
    fitting = [package for package in listed if request.allows(package.version)]
    if preferred is not None and preferred in fitting:
        return preferred
    installed = base.get(key)
    if not fitting and installed and request.version and request.allows(installed.version):
        return installed
    if not fitting:
        what = f"version '{request.version}'" if request.version else f"suite '{request.suite}'"
        raise NoSolution(
            f"'{request.name}' has no {what}",
            where=where,
            hint=f"there is {versions_text(index, key) or 'none'}",
        )
    return fitting[0]


def _is_essential(solver: Solver, key: Key) -> bool:
    candidate = solver.candidate(key)
    return candidate is not None and candidate.essential


def _is_required(solver: Solver, key: Key) -> bool:
    candidate = solver.candidate(key)
    return candidate is not None and candidate.priority == "required"


def _resolution(
    solver: Solver,
    roots: Mapping[Key, tuple[Requirer, ...]],
    *,
    manual: frozenset[Key],
    recommends: bool = False,
) -> Resolution:
    selected = solver.state.selected
    broken = unmet(selected.values(), solver.index.architecture)
    if broken:
        raise _Blocked(
            NoSolution(
                "\n  ".join(["the packages do not fit together:", *broken[:5]]),
                where="apt.packages",
                hint="ask for fewer packages, or for other versions of them",
            ),
            frozenset(),
        )
    changed = [
        key
        for key, package in selected.items()
        if key not in solver.base or solver.base[key].version != package.version
    ]
    removed = tuple(solver.base[key] for key in sorted(solver.base) if key not in selected)
    return Resolution(
        packages=tuple(selected[key] for key in sorted(selected)),
        added=tuple(selected[key] for key in sorted(changed)),
        removed=removed,
        required_by=required_by(solver.state, roots, recommends=recommends),
        removed_by=removed_by(solver.state, removed, solver.refused),
        manual=manual,
    )
