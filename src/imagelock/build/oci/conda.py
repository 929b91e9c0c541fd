"""The layers of a conda step: packages linked below a prefix as streams, nothing run or unpacked.

Which package has a path that several bring is settled over all packages, from their own lists,
before a layer is made; so each layer depends on its own packages and on what they lose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.layers.conda.activation import merged
from imagelock.layers.conda.archive import CondaArchive
from imagelock.layers.conda.info import PathEntry, read_info
from imagelock.layers.conda.install import CondaLayer, LinkedPackage
from imagelock.layers.conda.order import link_order
from imagelock.layers.conda.package import (
    Environment,
    PlacedPackage,
    archive_of,
    link_script,
    place_package,
)
from imagelock.layers.conda.tree import Tree, inside, make_tree, shown_paths
from imagelock.layers.entries import Layer
from imagelock.model.plan import CondaPart, CondaStep, ConfigChange

_KIND: Final = "conda"
_SHOWN: Final = 5

NOTICES: Final = "notices"
VARIABLES: Final = "variables"
"""Notes of a layer: what to tell who builds, and variables by the activation file they are from."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a part's layer depends on beside its own packages: a digest of it, and what to say."""

    digest: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CondaLayers:
    """Finds and makes the layers of a conda step."""

    cache: LayerCache

    def find(self, step: CondaStep) -> tuple[CachedLayer, ...] | None:
        """The step's layers if they were made before; no package file is needed."""
        settled = self._recorded(step)
        if settled is None:
            return None
        pairs = zip(step.parts, settled, strict=True)
        found = [self.cache.find(self._key(part, what), part.title) for part, what in pairs]
        made = tuple(layer for layer in found if layer is not None)
        return made if len(made) == len(found) else None

    def build(self, step: CondaStep, files: Mapping[str, Path]) -> tuple[CachedLayer, ...]:
        """Make the layers that are not there; ``files`` gives the package files by sha256."""
        archives = {
            pin.name: archive_of(pin, _opener(files[pin.artifact.sha256])) for pin in step.packages
        }
        environment = Environment(
            prefix=step.prefix, python=step.python, site_packages=step.site_packages
        )
        tree = _tree(step, archives, environment)
        settled = [_settled(part, tree) for part in step.parts]
        linked = {
            package.pin.name: (package, lost)
            for package, lost in zip(tree.packages, tree.lost, strict=True)
        }
        made = []
        for number, (part, what) in enumerate(zip(step.parts, settled, strict=True)):
            key = self._key(part, what)
            found = self.cache.find(key, part.title)
            if found is None:
                origins = {origin.pin.name: origin for origin in part.packages}
                layer = CondaLayer(
                    [
                        LinkedPackage(
                            placed=package,
                            archive=archives[name],
                            lost=lost,
                            channel=origins[name].channel,
                            url=origins[name].url,
                        )
                        for name, (package, lost) in linked.items()
                        if name in origins
                    ],
                    environment,
                    first=number == 0,
                )
                found = self._made(key, part.title, layer, what)
            made.append(found)
        self._keep(step, settled)
        return tuple(made)

    def _made(self, key: str, title: str, layer: CondaLayer, what: _Settled) -> CachedLayer:
        def notes() -> tuple[int, dict[str, object]]:
            return layer.epoch, {
                NOTICES: [*what.notices, *_script_notices(layer)],
                VARIABLES: layer.variables,
            }

        entries = Layer(entries=layer.entries(), epoch=0)
        return self.cache.make(key, title, entries, notes=notes)

    def _key(self, part: CondaPart, what: _Settled) -> str:
        return self.cache.key("conda", part.key, what.digest, *what.notices)

    def _recorded(self, step: CondaStep) -> list[_Settled] | None:
        value = None if self.cache.fresh else self.cache.store.record(_KIND, self._step_key(step))
        try:
            settled = [_Settled(str(digest), tuple(notices)) for digest, notices in value]  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            return None
        return settled if len(settled) == len(step.parts) else None

    def _keep(self, step: CondaStep, settled: list[_Settled]) -> None:
        if not self.cache.fresh:
            value = [[what.digest, list(what.notices)] for what in settled]
            self.cache.store.keep_record(_KIND, self._step_key(step), value)

    def _step_key(self, step: CondaStep) -> str:
        return self.cache.key("conda-tree", step.key)


def _tree(step: CondaStep, archives: Mapping[str, CondaArchive], environment: Environment) -> Tree:
    placed = []
    for pin in link_order(step.packages):
        archive = archives[pin.name]
        info = read_info(archive)
        placed.append(place_package(pin, info, environment, where=archive.where))

    def link_text(package: PlacedPackage, place: str, entry: PathEntry) -> str:
        archive = archives[package.pin.name]
        link = archive.link(entry.path).replace(entry.placeholder or "\0", step.prefix)
        return inside(place, link, step.prefix, where=archive.where)

    return make_tree(placed, link_text)


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _settled(part: CondaPart, tree: Tree) -> _Settled:
    names = {origin.pin.name for origin in part.packages}
    lines: list[object] = []
    notices: list[str] = []
    scripts: list[str] = []
    for package, lost in zip(tree.packages, tree.lost, strict=True):
        if package.pin.name not in names:
            continue
        lines.append([package.pin.name, sorted(lost), package.moved])
        notices += [str(item) for item in tree.clobbers if item.winner == package.label]
        scripts += [place for place in package.files if link_script(place, package.pin.name)]
    if scripts:
        notices.append(
            f"conda: scripts that conda would have run while linking are in the image and did not "
            f"run: {shown_paths(scripts, _SHOWN)}"
        )
    digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    return _Settled(digest, tuple(notices))


def _script_notices(layer: CondaLayer) -> list[str]:
    if not layer.odd:
        return []
    text = "conda: activation scripts that do more than set variables run by `conda activate` alone"
    return [f"{text}: {shown_paths(layer.odd, _SHOWN)}"]


def notices(notes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the layers have to say, lowest first."""
    return tuple(str(text) for note in notes for text in note.get(NOTICES, ()))


def activated(change: ConfigChange, notes: Iterable[Mapping[str, Any]]) -> ConfigChange:
    """The change with the variables of plain activation files; the spec's own win."""
    found = {place: values for note in notes for place, values in note.get(VARIABLES, {}).items()}
    env = {**merged(found), **dict(change.env)}
    return replace(change, env=tuple(sorted(env.items()))) if found else change
