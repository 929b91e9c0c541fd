"""Why there is no solution: a short chain of who wants what, and the versions there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagelock.model.errors import NoSolution
from imagelock.model.names import PipName
from imagelock.resolve.pip.policy import (
    NO_SDIST,
    NO_WHEEL,
    ONLY_SDIST,
    TOO_NEW,
    WRONG_HASH,
    WRONG_PYTHON,
    YANKED,
)
from imagelock.resolve.pip.proof import Fact, Packages
from imagelock.resolve.pip.provider import IMPOSSIBLE, Key

_SHOWN = 6
_VARIANTS = 2
_PROJECTS = 3
_REASONS = 3
_STEPS = {
    NO_SDIST: "{name} has wheels alone: leave it out of no-binary",
    NO_WHEEL: "no wheel of {name} fits: choose another Python or platform, or loosen it",
    ONLY_SDIST: 'write allow-sdist = ["{name}"] under [pip] to build it from source',
    TOO_NEW: "choose a later exclude-newer, or a shorter span",
    WRONG_HASH: "compare the hashes in the requirements file with those of the index",
    YANKED: "a yanked version has to be pinned by the spec itself: {name}=={version}",
}


def explain(packages: Packages, facts: Iterable[Fact]) -> NoSolution:
    """The error for facts that cannot all hold, in the order in which one leads to the next."""
    ordered = _ordered(list(facts))
    lines: dict[str, None] = {}
    for parent, name in dict.fromkeys((fact.parent, fact.wish.name) for fact in ordered):
        group = [fact for fact in ordered if (fact.parent, fact.wish.name) == (parent, name)]
        lines.update(dict.fromkeys(_wishes(packages, parent, group)))
    conflicts = _conflicts(packages, ordered)
    for name in conflicts:
        for specifier in packages.provider.constraints(name):
            lines[f"a constraint says {name}{specifier}"] = None
    for name in conflicts[:_PROJECTS]:
        lines.update(dict.fromkeys(_versions(packages, name, ordered)))
    text = "\n".join(f"  {line}" for line in lines)
    return NoSolution(
        f"no set of versions satisfies all requirements\n{text}",
        hint=_hint(packages, conflicts, ordered),
    )


def _ordered(facts: list[Fact]) -> list[Fact]:
    """Breadth first from the spec, so that every parent was required in a line above."""
    known: list[Fact] = []
    reached: set[Key | None] = {None}
    waiting = facts
    while waiting:
        reached_before = frozenset(reached)
        layer = [fact for fact in waiting if fact.parent in reached_before]
        if not layer:
            return known + waiting
        known += layer
        reached |= {fact.wish.key for fact in layer}
        waiting = [fact for fact in waiting if fact.parent not in reached_before]
    return known


def _wishes(packages: Packages, parent: Key | None, group: list[Fact]) -> Iterator[str]:
    """The wishes of one parent on one project: each, or their common point if there are many."""
    merged: dict[str, int] = {}
    for fact in group:
        wish = fact.wish
        if wish.exactly:
            continue  # an extra's tie to its own project explains nothing
        extra = f"[{wish.extra}]" if wish.extra else ""
        said = f"{wish.name}{extra}{wish.specifier}"
        merged[wish.specifier if wish.name == IMPOSSIBLE else said] = (
            merged.get(said, 0) | fact.bits
        )
    verb = "cannot be used:" if group[0].wish.name == IMPOSSIBLE else "requires"
    if parent is None:
        yield from (f"the spec requires {said}" for said in merged)
    elif len(merged) <= _VARIANTS:
        for said, bits in merged.items():
            yield f"{_some_of(packages, parent, bits)} {verb} {said}"
    else:
        together = 0
        for bits in merged.values():
            together |= bits
        newest = max(merged, key=lambda said: -(merged[said] & -merged[said]))
        example = packages.versions(parent, merged[newest])[-1]
        yield (
            f"{_some_of(packages, parent, together)} {verb} one of {len(merged)} ranges,"
            f" {example} for example {newest}"
        )


def _some_of(packages: Packages, key: Key, bits: int) -> str:
    name = f"{key[0]}[{key[1]}]" if key[1] else key[0]
    versions = packages.versions(key, bits)
    if len(versions) == 1:
        return f"{name} {versions[0]}"
    everything = packages.domain(key) & ~1
    all_of = ", every version there is," if bits & everything == everything else ""
    return f"{name} {versions[0]} to {versions[-1]} ({len(versions)} versions){all_of}"


def _conflicts(packages: Packages, facts: list[Fact]) -> list[PipName]:
    """The projects that are wanted in ways that exclude each other, or that nothing satisfies."""
    wanted: dict[PipName, list[Fact]] = {}
    for fact in facts:
        if fact.wish.name != IMPOSSIBLE:
            wanted.setdefault(fact.wish.name, []).append(fact)
    hopeless = [
        name
        for name, group in wanted.items()
        if any(not packages.mask(fact.wish) for fact in group)
    ]
    if hopeless:
        return hopeless
    return [
        name
        for name, group in wanted.items()
        if len({fact.wish.specifier for fact in group}) > 1
        and any(
            not packages.mask(one.wish) & packages.mask(other.wish)
            for one in group
            for other in group
            if one.wish.extra == other.wish.extra
        )
    ] or list(wanted)


def _unusable(packages: Packages, name: PipName, facts: list[Fact]) -> dict[str, list[str]]:
    """Versions that a hopeless wish allows, by the reason why none of them can be used."""
    listing = packages.provider.catalog.complete(name)
    hopeless = [
        fact.wish for fact in facts if fact.wish.name == name and not packages.mask(fact.wish)
    ]
    reasons: dict[str, list[str]] = {}
    for entry in listing.entries:
        if any(wish.allows(entry.version) for wish in hopeless):
            choice = packages.provider.catalog.choice(listing, entry)
            if choice.file is None:
                reasons.setdefault(choice.reason, []).append(entry.version)
            elif packages.provider.catalog.usable(listing, entry) is None:
                reasons.setdefault(YANKED, []).append(entry.version)
    return reasons


def _versions(packages: Packages, name: PipName, facts: list[Fact]) -> Iterator[str]:
    catalog = packages.provider.catalog
    listing = catalog.complete(name)
    if listing.project is None:
        yield f"no index has a project {name}"
        return
    usable = [entry.version for entry in listing.entries if catalog.usable(listing, entry)]
    yield f"there is {name} {_some(usable)}" if usable else f"no version of {name} can be used"
    reasons = _unusable(packages, name, facts)
    for reason in sorted(reasons, key=lambda reason: -len(reasons[reason]))[:_REASONS]:
        yield f"not usable: {name} {_some(reasons[reason])}: {reason}"


def _some(versions: list[str]) -> str:
    shown = ", ".join(versions[:_SHOWN])
    return f"{shown} and {len(versions) - _SHOWN} older" if len(versions) > _SHOWN else shown


def _hint(packages: Packages, names: list[PipName], facts: list[Fact]) -> str:
    """The next step, after what is wrong with the newest version that was wished for."""
    for name in names:
        if packages.provider.catalog.complete(name).project is None:
            return f"is '{name}' spelt as on the index, and is the index in [pip]?"
        for reason, versions in _unusable(packages, name, facts).items():
            if reason.startswith(WRONG_PYTHON):
                return f"{name} {versions[0]} needs another Python: change python in the spec"
            if reason in _STEPS:
                return _STEPS[reason].format(name=name, version=versions[0])
    return "loosen one of these requirements, or write an override under [pip]"
