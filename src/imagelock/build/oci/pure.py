"""Layers that run nothing: virtual environment, wheels, copies and source."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.copies import (
    copied_entries,
    entries_digest,
    source_entries,
    through_aliases,
)
from imagelock.build.oci.interpreter import Occupied, scheme_of
from imagelock.layers.entries import EARLIEST, Entry, Layer, with_parents
from imagelock.layers.venv import venv_layer, wheels_layer
from imagelock.layers.wheel import Wheel
from imagelock.model.errors import BuildError
from imagelock.model.plan import (
    AnyStep,
    CopyStep,
    SourceStep,
    SourceWheelStep,
    VenvStep,
    WheelsStep,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PureLayers:
    """Finds and makes the layers that depend on their own inputs alone.

    ``aliases`` are folders that are links in the image (merged-/usr), with what they lead to.
    ``occupied`` is what the base has where wheels go, unless that is an environment of ours.
    """

    cache: LayerCache
    folder: Path
    aliases: tuple[tuple[str, str], ...] = ()
    occupied: Occupied = field(default_factory=Occupied)

    def find(self, step: AnyStep) -> tuple[CachedLayer, ...] | None:
        """The step's layer if it was made before."""
        found = self.cache.find(self._key(step), step.title)
        return (*self.cleared(step), found) if found else None

    def build(self, step: AnyStep, files: Mapping[str, Path]) -> tuple[CachedLayer, ...]:
        """Make the step's layer; ``files`` gives its artifacts by sha256."""
        key = self._key(step)
        if isinstance(step, WheelsStep):
            made = self._wheels(key, step, files)
            return (*self.cleared(step), made)
        if isinstance(step, VenvStep):
            venv = venv_layer(step.python, step.prefix, system_packages=step.system_packages)
            return (self.cache.make(key, step.title, venv),)
        if isinstance(step, CopyStep | SourceStep):
            entries = self._copied(step)
            layer = Layer(entries=with_parents(entries), epoch=EARLIEST)
            return (self.cache.make(key, step.title, layer),)
        raise BuildError(f"not supported yet: {step.title}", where=step.title)

    def cleared(self, step: AnyStep) -> tuple[CachedLayer, ...]:
        """What takes away the distributions of the base that a step replaces, if it does."""
        if not isinstance(step, WheelsStep | SourceWheelStep):
            return ()
        if not (step.replaces and self.occupied.gone):
            return ()
        key = self.cache.key("clear", *self.occupied.gone, *map(str, self.occupied.folders))
        title = "pip: what is replaced"
        found = self.cache.find(key, title)
        return (found or self.cache.make(key, title, self.occupied.clearing()),)

    def _wheels(self, key: str, step: WheelsStep, files: Mapping[str, Path]) -> CachedLayer:
        scheme = scheme_of(step)
        with ExitStack() as stack:
            wheels = []
            for pin in step.wheels:
                file = stack.enter_context(files[pin.artifact.sha256].open("rb"))
                wheel = Wheel(
                    file,
                    name=pin.name,
                    where=pin.artifact.filename,
                    archive_size=pin.artifact.size,
                )
                wheels.append((wheel, pin.requested))
            layer = wheels_layer(wheels, scheme)
            layer = replace(layer, entries=self.occupied.kept(layer.entries))
            return self.cache.make(key, step.title, layer)

    def _key(self, step: AnyStep) -> str:
        if isinstance(step, CopyStep | SourceStep):
            content = entries_digest(self._copied(step))
            return self.cache.key("pure", step.key, content)
        return self.cache.key("pure", step.key, *map(str, self.occupied.folders))

    def _copied(self, step: CopyStep | SourceStep) -> list[Entry]:
        if isinstance(step, CopyStep):
            entries = copied_entries(self.folder, step.rules)
        else:
            entries = source_entries(self.folder, step.rule, step.target)
        return through_aliases(entries, self.aliases)
