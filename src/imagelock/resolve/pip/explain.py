"""Why there is no solution: a short chain of who wants what, and the versions there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from imagelock.model.errors import NoSolution
from imagelock.model.names import PipName
from imagelock.resolve.pip.policy import NO_WHEEL, ONLY_SDIST, WRONG_PYTHON, YANKED
from imagelock.resolve.pip.provider import IMPOSSIBLE, Information, Provider

_SHOWN = 6


def explain(provider: Provider, causes: Collection[Information]) -> NoSolution:
    """The error for a set of wishes that cannot be met together."""
    lines: dict[str, None] = {}
    names: dict[PipName, None] = {}
    for wish, parent in causes:
        who = f"{parent.name} {parent.version}" if parent else "the spec"
        if wish.name == IMPOSSIBLE:
            lines[f"{who} cannot be used: {wish.specifier}"] = None
        else:
            extra = f"[{wish.extra}]" if wish.extra else ""
            lines[f"{who} requires {wish.name}{extra}{wish.specifier}"] = None
            names[wish.name] = None
    for name in names:
        for specifier in provider.constraints(name):
            lines[f"a constraint says {name}{specifier}"] = None
        lines.update(dict.fromkeys(_versions(provider, name)))
    text = "\n".join(f"  {line}" for line in lines)
    return NoSolution(
        f"no set of versions satisfies all requirements\n{text}", hint=_hint(provider, names)
    )


def _versions(provider: Provider, name: PipName) -> Iterator[str]:
    listing = provider.catalog.listing(name)
    if listing.project is None:
        yield f"no index has a project {name}"
        return
    usable, reasons = [], dict[str, list[str]]()
    for entry in listing.entries:
        choice = provider.catalog.choice(listing, entry)
        if choice.file is None:
            reasons.setdefault(choice.reason, []).append(entry.version)
        elif choice.yanked:
            reasons.setdefault(YANKED, []).append(entry.version)
        else:
            usable.append(entry.version)
    yield f"there is {name} {_some(usable)}" if usable else f"no version of {name} can be used"
    for reason in list(reasons)[:3]:
        yield f"{name} {_some(reasons[reason])} {reason}"


def _some(versions: list[str]) -> str:
    shown = ", ".join(versions[:_SHOWN])
    return f"{shown} and {len(versions) - _SHOWN} more" if len(versions) > _SHOWN else shown


def _hint(provider: Provider, names: Collection[PipName]) -> str:
    for name in names:
        listing = provider.catalog.listing(name)
        if listing.project is None:
            return f"is '{name}' spelt as on the index, and is the index in [pip]?"
        choices = [provider.catalog.choice(listing, entry) for entry in listing.entries]
        if any(choice.file and not choice.yanked for choice in choices):
            continue
        if any(choice.reason == ONLY_SDIST for choice in choices):
            return f'write allow-sdist = ["{name}"] under [pip] to build it from source'
        if any(choice.reason == NO_WHEEL for choice in choices):
            return f"{name} has no wheel for this platform: drop the platform or the package"
        if any(choice.reason.startswith(WRONG_PYTHON) for choice in choices):
            return f"choose another Python, or an older {name} by relaxing exclude-newer"
    return "loosen one of these requirements, or write an override under [pip]"
