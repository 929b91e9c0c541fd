"""Who requires whom: the edges that a lock keeps, as paths and as a tree."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from imagelock.model.lock import (
    BASE_ROOT,
    PYTHON_ROOT,
    SPEC_ROOT,
    AptPin,
    CondaPin,
    Lock,
    PipBuildPin,
    PipPin,
    Requirer,
)
from imagelock.model.platform import Platform

ROOTS = (SPEC_ROOT, BASE_ROOT, PYTHON_ROOT)
_ABOVE = {"pip": ("conda",), "pip-build": ("pip", "conda")}
"""The kinds of packages that may require one of a kind, beside its own."""
PackagePin = AptPin | CondaPin | PipPin | PipBuildPin


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A package of a lock: all pins of one name, which may differ by platform."""

    kind: str
    name: str
    versions: tuple[str, ...]
    platforms: tuple[Platform, ...]
    required_by: tuple[Requirer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a package is in a lock.

    ``chains`` has one shortest path for each who requires it, from a root to the package: pairs
    of a name and the specifier that its predecessor put on it (empty for the root).
    """

    node: Node
    chains: tuple[tuple[Requirer, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A package below who requires it. ``repeated``: its own branches are shown before."""

    node: Node
    specifier: str
    repeated: bool
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What a root asked for: the spec, the base, or the interpreter; per kind of package."""

    name: str
    kind: str
    branches: tuple[Branch, ...]


def nodes(lock: Lock) -> tuple[Node, ...]:
    """Every package, by kind and name; a foreign architecture is part of the name."""
    found: dict[tuple[str, str], list[PackagePin]] = {}
    for kind, pins in (
        ("apt", lock.apt),
        ("conda", lock.conda),
        ("pip", lock.pip),
        ("pip-build", lock.pip_builds),
    ):
        for pin in pins:
            for label in labels(pin):
                found.setdefault((kind, label), []).append(pin)
    return tuple(_node(*key, found[key]) for key in sorted(found))


def labels(pin: PackagePin) -> Iterable[str]:
    """A Debian package is foreign where its architecture is not the platform's."""
    if not isinstance(pin, AptPin):
        return {str(pin.name)}
    return sorted(
        {
            str(pin.name)
            if pin.architecture in {"all", platform.debian_architecture}
            else f"{pin.name}:{pin.architecture}"
            for platform in pin.platforms
        }
    )


def _node(kind: str, name: str, pins: list[PackagePin]) -> Node:
    return Node(
        kind=kind,
        name=name,
        versions=tuple(sorted({pin.version for pin in pins})),
        platforms=tuple(sorted({platform for pin in pins for platform in pin.platforms})),
        required_by=tuple(sorted({edge for pin in pins for edge in pin.required_by})),
    )


def why(lock: Lock, name: str) -> tuple[Explanation, ...]:
    """Why a package is there, one explanation for each kind that has it; empty when none has.

    ``name`` may be written as in the lock, or as a pip name in any spelling.
    """
    every = nodes(lock)
    spelled = name.replace("_", "-").replace(".", "-").lower()
    found = [
        node
        for node in every
        if node.name == name
        or node.name.partition(":")[0] == name
        or (node.kind in {"pip", "pip-build"} and node.name == spelled)
    ]
    return tuple(_explanation(node, every) for node in found)


def _explanation(node: Node, every: tuple[Node, ...]) -> Explanation:
    by_name = {other.name: other for other in every if other.kind == node.kind}
    for kind in _ABOVE.get(node.kind, ()):
        by_name = {other.name: other for other in every if other.kind == kind} | by_name
    chains = []
    for edge in node.required_by:
        above = _to_root(edge.name, by_name, avoid=node.name)
        if above is not None:
            chains.append((*above, Requirer(name=node.name, specifier=edge.specifier)))
    chains.sort(key=lambda chain: (len(chain), chain))
    return Explanation(node=node, chains=tuple(chains))


def _to_root(name: str, by_name: dict[str, Node], *, avoid: str) -> tuple[Requirer, ...] | None:
    """The shortest path from a root down to a package, not through ``avoid``; None without one.

    What is no package of the lock is a root too: a distribution in a conda package.
    """
    waiting: deque[tuple[str, tuple[Requirer, ...]]] = deque([(name, ())])
    seen = {name, avoid}
    while waiting:
        current, below = waiting.popleft()
        if current in ROOTS or (current not in by_name and current != avoid):
            return (Requirer(name=current), *below)
        node = by_name.get(current)
        for edge in node.required_by if node else ():
            if edge.name not in seen:
                seen.add(edge.name)
                step = Requirer(name=current, specifier=edge.specifier)
                waiting.append((edge.name, (step, *below)))
    return None


def tree(lock: Lock) -> tuple[Root, ...]:
    """What each root asked for, and what that requires; each package has branches once."""
    every = nodes(lock)
    roots = []
    for kind in ("apt", "conda", "pip", "pip-build"):
        below: dict[str, list[tuple[str, Node]]] = {}
        for node in every:
            if node.kind == kind:
                for edge in node.required_by:
                    below.setdefault(edge.name, []).append((edge.specifier, node))
        seen: set[str] = set()
        own = {node.name for node in every if node.kind == kind}
        beyond = sorted(below.keys() - own - set(ROOTS)) if kind in _ABOVE else ()
        for name in (*ROOTS, *beyond):
            if name in below:
                branches = _branches(name, below, seen)
                roots.append(Root(name=name, kind=kind, branches=branches))
    return tuple(roots)


def _branches(
    name: str, below: dict[str, list[tuple[str, Node]]], seen: set[str]
) -> tuple[Branch, ...]:
    """Breadth before depth in ``seen``, so that a package is spread where it is asked for."""
    items = sorted(below.get(name, ()), key=lambda item: (item[1].name, item[0]))
    first = [node.name for _, node in items if node.name not in seen]
    fresh = set(first)
    seen |= fresh
    result = []
    for specifier, node in items:
        spread = node.name in fresh
        fresh.discard(node.name)
        result.append(
            Branch(
                node=node,
                specifier=specifier,
                repeated=not spread and node.name in below,
                branches=_branches(node.name, below, seen) if spread else (),
            )
        )
    return tuple(result)
