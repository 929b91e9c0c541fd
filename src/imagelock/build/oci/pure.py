"""Layers that run nothing: virtual environment, wheels, copies and source."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.copies import (
    copied_entries,
    entries_digest,
    source_entries,
    through_aliases,
)
from imagelock.layers.entries import EARLIEST, Entry, Layer, with_parents
from imagelock.layers.scheme import Scheme
from imagelock.layers.venv import venv_layer, wheels_layer
from imagelock.layers.wheel import Wheel
from imagelock.model.errors import BuildError
from imagelock.model.plan import AnyStep, CopyStep, SourceStep, VenvStep, WheelsStep


@dataclass(frozen=True, slots=True, kw_only=True)
class PureLayers:
    """Finds and makes the layers that depend on their own inputs alone.

    ``aliases`` are folders that are links in the image (merged-/usr), with what they lead to.
    """

    cache: LayerCache
    folder: Path
    aliases: tuple[tuple[str, str], ...] = ()

    def find(self, step: AnyStep) -> tuple[CachedLayer, ...] | None:
        """The step's layer if it was made before."""
        found = self.cache.find(self._key(step), step.title)
        return (found,) if found else None

    def build(self, step: AnyStep, files: Mapping[str, Path]) -> tuple[CachedLayer, ...]:
        """Make the step's layer; ``files`` gives its artifacts by sha256."""
        key = self._key(step)
        if isinstance(step, WheelsStep):
            return (self._wheels(key, step, files),)
        if isinstance(step, VenvStep):
            venv = venv_layer(step.python, step.prefix, system_packages=step.system_packages)
            return (self.cache.make(key, step.title, venv),)
        if isinstance(step, CopyStep | SourceStep):
            entries = self._copied(step)
            layer = Layer(entries=with_parents(entries), epoch=EARLIEST)
            return (self.cache.make(key, step.title, layer),)
        raise BuildError(f"not supported yet: {step.title}", where=step.title)

    def _wheels(self, key: str, step: WheelsStep, files: Mapping[str, Path]) -> CachedLayer:
        python = step.python
        if step.prefix:
            scheme = Scheme.of_venv(step.prefix, python.version)
        else:
            scheme = Scheme.of_interpreter(python.executable, python.version)
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
            return self.cache.make(key, step.title, wheels_layer(wheels, scheme))

    def _key(self, step: AnyStep) -> str:
        if isinstance(step, CopyStep | SourceStep):
            content = entries_digest(self._copied(step))
            return self.cache.key("pure", step.key, content)
        return self.cache.key("pure", step.key)

    def _copied(self, step: CopyStep | SourceStep) -> list[Entry]:
        if isinstance(step, CopyStep):
            entries = copied_entries(self.folder, step.rules)
        else:
            entries = source_entries(self.folder, step.rule, step.target)
        return through_aliases(entries, self.aliases)
