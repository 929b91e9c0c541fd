"""What may be asked of the pip pins of a lock: what is outdated, why one is there, the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip import index_urls, pip_policy, pip_section, without_collection
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.model.errors import NoSolution, UsageError
from imagelock.model.lock import SPEC_ROOT, Lock, PipPin, Requirer
from imagelock.model.names import PipName
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.catalog import Catalog
from imagelock.resolve.pip.policy import Chooser
from imagelock.resolve.pip.requirements import parse, version


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Outdated:
    """A pin with a newer version on its platform.

    ``allowed`` is what ``lock --upgrade`` would choose, ``newest`` the newest that fits the
    target at all; ``yanked`` says that the locked file was yanked since.
    """

    name: PipName
    platform: Platform
    locked: str
    allowed: str
    newest: str
    yanked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A package in the tree of a platform; ``repeated`` nodes are shown in full elsewhere."""

    name: PipName
    version: str
    specifier: str
    children: tuple[Node, ...] = ()
    repeated: bool = False


def outdated(
    lock: Lock, targets: Mapping[Platform, PythonTarget], *, context: Context
) -> tuple[Outdated, ...]:
    """The pins that are not the newest, sorted by name and platform. Asks the indexes."""
    spec = lock.roots.pip
    options = ResolveOptions(upgrade=True)
    try:
        upgraded = pip_section(spec, targets, context=context, options=options, previous=None).pins
    except NoSolution:
        upgraded = ()  # nothing newer can be had together: what is locked is the best there is
    found = []
    with (
        without_collection(),
        SimpleIndexes(
            context.store, context.http, index_urls(spec), targets=targets.values()
        ) as index,
    ):
        for platform in sorted(targets):
            policy = pip_policy(spec, platform, context.now, options, None)
            roots = [parse(line) for line in spec.all_requirements]
            catalog = Catalog(index, Chooser(targets[platform], policy, roots), {})
            allowed = {pin.name: pin.version for pin in _on(upgraded, platform)}
            for pin in _on(lock.pip, platform):
                item = _compared(pin, platform, catalog, allowed.get(pin.name, pin.version))
                if item is not None:
                    found.append(item)
    return tuple(sorted(found))


def _compared(pin: PipPin, platform: Platform, catalog: Catalog, allowed: str) -> Outdated | None:
    listing = catalog.complete(pin.name)
    usable = [entry.version for entry in listing.entries if catalog.usable(listing, entry)]
    newest = max((*usable, pin.version), key=version)
    yanked = any(
        file.sha256 == pin.artifact.sha256 and file.yanked is not None
        for entry in listing.entries
        if entry.release is not None and version(entry.version) == version(pin.version)
        for file in entry.release.files
    )
    if newest == pin.version and allowed == pin.version and not yanked:
        return None
    return Outdated(
        name=pin.name,
        platform=platform,
        locked=pin.version,
        allowed=allowed,
        newest=newest,
        yanked=yanked,
    )


def _on(pins: Iterable[PipPin], platform: Platform) -> list[PipPin]:
    return [pin for pin in pins if platform in pin.platforms]


def why(
    pins: Iterable[PipPin], name: PipName, platform: Platform
) -> tuple[tuple[Requirer, ...], ...]:
    """The shortest chain from the spec to a package through each of those that require it.

    A chain reads from the spec: each link is a package and the specifier it puts on the next.
    UsageError when the platform has no such package.
    """
    known = {pin.name: pin for pin in _on(pins, platform)}
    if name not in known:
        raise UsageError(
            f"no pip package '{name}' is locked",
            where=f"platform {platform}",
            hint="see `imagelock show` for what is",
        )
    depths = _depths(known)
    chains = [_chain(known, depths, edge, name) for edge in known[name].required_by]
    return tuple(
        sorted((chain for chain in chains if chain), key=lambda chain: (len(chain), chain))
    )


def _depths(known: Mapping[PipName, PipPin]) -> dict[str, int]:
    """How many links each package is from the spec."""
    depths = {SPEC_ROOT: 0}
    while True:
        layer: dict[str, int] = {
            name: 1 + min(depths[edge.name] for edge in pin.required_by if edge.name in depths)
            for name, pin in known.items()
            if name not in depths and any(edge.name in depths for edge in pin.required_by)
        }
        if not layer:
            return depths
        depths.update(layer)


def _chain(
    known: Mapping[PipName, PipPin], depths: Mapping[str, int], edge: Requirer, name: PipName
) -> tuple[Requirer, ...]:
    chain = [edge]
    seen: set[str] = {name}
    while chain[0].name != SPEC_ROOT:
        current = chain[0].name
        pin = known.get(PipName(current))
        if pin is None or current in seen:
            return ()
        seen.add(current)
        nearest = [item for item in pin.required_by if item.name in depths]
        if not nearest:
            return ()
        chain.insert(0, min(nearest, key=lambda item: (depths[item.name], item)))
    return tuple(chain)


def tree(pins: Iterable[PipPin], platform: Platform) -> tuple[Node, ...]:
    """The packages of a platform from the spec down, sorted by name; each in full only once."""
    known = {pin.name: pin for pin in _on(pins, platform)}
    children: dict[str, list[tuple[PipName, str]]] = {}
    for pin in known.values():
        for edge in pin.required_by:
            children.setdefault(edge.name, []).append((pin.name, edge.specifier))
    shown: set[PipName] = set()

    def nodes(parent: str) -> Iterator[Node]:
        for name, specifier in sorted(children.get(parent, ())):
            pin = known[name]
            repeated = name in shown
            shown.add(name)
            yield Node(
                name=name,
                version=pin.version,
                specifier=specifier,
                children=() if repeated else tuple(nodes(name)),
                repeated=repeated and name in children,
            )

    return tuple(nodes(SPEC_ROOT))
